//go:build unix

package postgres

import (
	"errors"
	"fmt"
	"os"
	osuser "os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// endSignals are tried in turn: SIGQUIT is an immediate shutdown, which leaves
// no shared memory behind and skips a checkpoint of files that are removed next.
var endSignals = []os.Signal{syscall.SIGQUIT, syscall.SIGKILL}

// user is who the server runs as. The zero value is whoever we are.
type user struct {
	other    bool // not us: we are root
	uid, gid int
}

// serverUser is "nobody" when we are root, since postgres refuses to be root.
func serverUser() user {
	if os.Geteuid() != 0 {
		return user{uid: os.Geteuid(), gid: os.Getegid()}
	}
	u := user{other: true, uid: 65534, gid: 65534}
	if nobody, err := osuser.Lookup("nobody"); err == nil {
		uid, uidErr := strconv.Atoi(nobody.Uid)
		gid, gidErr := strconv.Atoi(nobody.Gid)
		// macOS's nobody is -2, which Credential takes as unsigned.
		if uidErr == nil && gidErr == nil && uid > 0 && gid > 0 {
			u.uid, u.gid = uid, gid
		}
	}
	return u
}

// own gives the file to the user.
func (u user) own(path string) error {
	if !u.other {
		return nil
	}
	if err := os.Chown(path, u.uid, u.gid); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	return nil
}

// reaches reports whether the user may enter the folder and those above it. It
// reads the permission bits only: access lists can but cost a copy.
func (u user) reaches(dir string) bool {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return false
	}
	if !u.other {
		return true
	}
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return false
		}
		bit := os.FileMode(0o001)
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			switch {
			case int(st.Uid) == u.uid:
				bit = 0o100
			case int(st.Gid) == u.gid:
				bit = 0o010
			}
		}
		if info.Mode()&bit == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
	}
}

// sysProcAttr is how initdb and postgres are started: as the server's user, and
// the server out of our process group, so that Ctrl-C reaches only us and we end
// it in order.
func sysProcAttr(u user, server bool) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: server}
	if u.other {
		attr.Credential = &syscall.Credential{Uid: uint32(u.uid), Gid: uint32(u.gid)}
	}
	if server {
		dieWithParent(attr)
	}
	return attr
}

// tryLock takes the file's lock if nobody has it. It is held until the file is
// closed, at the latest when the process ends.
func tryLock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}
