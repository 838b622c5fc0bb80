package session

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// opened is what the plugin prints once its port listens.
var opened = regexp.MustCompile(`^Port ([0-9]+) opened for sessionId`)

// tunnelFolder is the prefix of the name of a tunnel's socket folder.
const tunnelFolder = "tfpipeline-tunnel-"

// openWithin bounds the wait for the plugin's port to open.
const openWithin = time.Minute

// tunnel forwards a local port to the channel's other end, until the returned function
// is called.
func tunnel(ctx context.Context, channel Channel, env []string) (port string, end func(), err error) {
	// An interrupted statement is cancelled through the tunnel, so the tunnel outlives ctx.
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	cmd, release, err := channel.plugin(life, env)
	if err != nil {
		stop()
		return "", nil, err
	}
	temporary := os.TempDir()
	if len(temporary) > 30 { // as on macOS, where the name of a socket has 103 bytes
		temporary = "/tmp"
	}
	folder, err := os.MkdirTemp(temporary, tunnelFolder)
	cancel := func() {
		stop()
		release()
		_ = os.RemoveAll(folder) // it holds only a socket
	}
	if err != nil {
		cancel()
		return "", nil, fmt.Errorf("open a tunnel: %w", err)
	}
	cmd.Env = append(cmd.Env, "TMPDIR="+folder) // where the plugin makes a socket
	output, printed, err := os.Pipe()
	if err != nil {
		cancel()
		return "", nil, fmt.Errorf("open a tunnel: %w", err)
	}
	cmd.Stdout, cmd.Stderr = printed, printed
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is not meant for it
	err = cmd.Start()
	printed.Close()
	if err != nil {
		cancel()
		output.Close()
		return "", nil, fmt.Errorf("open a tunnel: %w", err)
	}
	ports, said := make(chan string, 1), make(chan string, 1)
	go func() {
		defer output.Close()
		var lines []string
		for r := bufio.NewScanner(output); r.Scan(); {
			if m := opened.FindStringSubmatch(r.Text()); m != nil {
				ports <- m[1]
				_, _ = io.Copy(io.Discard, output) // until it ends
				return
			}
			lines = append(lines, strings.TrimSpace(r.Text()))
		}
		said <- strings.TrimSpace(strings.Join(lines, " "))
	}()
	end = func() {
		stop()
		_ = cmd.Wait() // it was told to end
		cancel()
	}
	timer := time.NewTimer(openWithin)
	defer timer.Stop()
	select {
	case port = <-ports:
		return port, end, nil
	case text := <-said:
		err = errors.New(text)
	case <-timer.C:
		err = fmt.Errorf("no answer within %s", openWithin)
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	end()
	return "", nil, fmt.Errorf("open a tunnel by session %s: %w", channel.ID, err)
}
