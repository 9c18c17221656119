//go:build unix

package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// lock keeps other processes from changing the key file until unlock. It locks the
// folder, since the file itself is replaced.
func lock(path string) (unlock func() error, err error) {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	for {
		err = syscall.Flock(int(folder.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("key file: %s cannot be locked: %w", filepath.Dir(path), err), folder.Close())
	}
	return folder.Close, nil // which unlocks it
}

// syncFolder makes a rename in the file's folder last.
func syncFolder(path string) error {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
