//go:build !unix

package local

import "sync"

var changing sync.Mutex

// lock keeps this process from changing a key file twice at a time; here there is
// no lock that other processes would heed.
func lock(string) (unlock func() error, err error) {
	changing.Lock()
	return func() error { changing.Unlock(); return nil }, nil
}

// syncFolder: a folder can't be synced here.
func syncFolder(string) error { return nil }
