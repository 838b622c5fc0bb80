package checkout

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/console"
)

// Find returns the folder with envs/ and modules/: this one or the nearest above
// it.
func Find() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for start := dir; ; dir = filepath.Dir(dir) {
		_, envs := os.Stat(filepath.Join(dir, "envs", config.SharedRoot))
		_, modules := os.Stat(filepath.Join(dir, "modules"))
		if envs == nil && modules == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", console.WithNext(fmt.Errorf("find the repository: %w: no envs/%s and modules/ in %s or above", fs.ErrNotExist, config.SharedRoot, start),
				"cd to the checkout, or name it with -C")
		}
	}
}
