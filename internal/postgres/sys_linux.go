package postgres

import "syscall"

// dieWithParent has the kernel end the server when we are killed.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGQUIT }
