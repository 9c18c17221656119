package main

import "syscall"

// attributes has the kernel end a program when the benchmark is killed, and keeps
// the terminal's Ctrl-C from it: the benchmark ends it.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
