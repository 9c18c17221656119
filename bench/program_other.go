//go:build !linux

package main

import "syscall"

// attributes keeps the terminal's Ctrl-C from a program: the benchmark ends it.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
