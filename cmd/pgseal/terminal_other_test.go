//go:build !linux

package main

import (
	"os"
	"testing"
)

func openTerminal(t *testing.T) (keyboard, terminal *os.File) {
	t.Skip("this system has its own way to make a terminal; Linux's is tried")
	return nil, nil
}
