//go:build !unix

package postgres

import (
	"errors"
	"os"
	"syscall"
)

var endSignals = []os.Signal{os.Kill}

// user is who the server runs as: whoever we are.
type user struct{}

func serverUser() user           { return user{} }
func (user) own(string) error    { return nil }
func (user) reaches(string) bool { return true }

func sysProcAttr(user, bool) *syscall.SysProcAttr { return nil }

// tryLock refuses: newPlace fails with its word.
func tryLock(*os.File) (bool, error) {
	return false, errors.New("this system is not supported; give the DSN of a running server")
}
