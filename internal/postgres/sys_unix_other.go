//go:build unix && !linux

package postgres

import "syscall"

// dieWithParent can do nothing here: sweep sees to it later.
func dieWithParent(*syscall.SysProcAttr) {}
