package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// Mark writes a file that stays locked until it is closed. The kernel releases
// the lock when this process dies, however it dies, so a reused process id
// cannot be mistaken for this one. Mark writes and locks the file under a temporary name and
// then renames it, so that nobody sees it unlocked.
func Mark(path string, content []byte) (*os.File, error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return nil, err
	}
	_, err = f.Write(content)
	err = errors.Join(err, syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB), os.Rename(f.Name(), path))
	if err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	return f, nil
}

// ReadMark reads a file that is locked while its owner runs, and reports
// whether it still does.
func ReadMark(path string) (content []byte, lives bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	lives = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) != nil
	if content, err = io.ReadAll(f); err != nil {
		return nil, lives, fmt.Errorf("read %s: %w", path, err)
	}
	return content, lives, nil
}
