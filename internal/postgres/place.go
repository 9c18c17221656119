package postgres

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A server's folder holds its data, log and socket, and a lock that our process
// keeps for as long as it lives. A folder whose lock nobody holds was left
// behind by a process that was killed, and the next Start removes it.

const (
	folderPrefix = "pgseal-pg-"
	lockName     = "lock"
	// lockGrace is how old a lock must be before its folder may be swept: the
	// time between making the file and locking it, generously.
	lockGrace = time.Minute
)

// place is a server's folder, and the user that owns it.
type place struct {
	dir  string
	user user
	lock *os.File
}

func (p *place) data() string { return filepath.Join(p.dir, "data") }
func (p *place) log() string  { return filepath.Join(p.dir, "log") }

func newPlace() (*place, error) {
	u := serverUser()
	parent := parentFolder(u)
	dir, err := os.MkdirTemp(parent, folderPrefix)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	p := &place{dir: dir, user: u}
	if err := p.prepare(); err != nil {
		return nil, errors.Join(fmt.Errorf("postgres: preparing %s: %w", dir, err), p.remove())
	}
	return p, nil
}

func (p *place) prepare() error {
	lock, err := os.OpenFile(filepath.Join(p.dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	p.lock = lock
	if held, err := tryLock(lock); err != nil || !held {
		return fmt.Errorf("locking: %w", errors.Join(err, errors.New("the lock is held")))
	}
	return p.user.own(p.dir)
}

// remove deletes the folder and all in it.
func (p *place) remove() error {
	// A backend that is still on its way out may write a last file.
	var err error
	for range 20 {
		if err = os.RemoveAll(p.dir); err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if p.lock != nil {
		err = errors.Join(err, p.lock.Close())
		p.lock = nil
	}
	if err != nil {
		return fmt.Errorf("postgres: removing the server's folder: %w", err)
	}
	return nil
}

// parentFolder is where the server's user can get at a folder of its own.
func parentFolder(u user) string {
	if dir := os.TempDir(); u.reaches(dir) {
		return dir
	}
	return "/tmp"
}

// sweep removes what killed processes left behind. Nothing depends on its
// success: what it may not remove stays for its owner's next Start.
func sweep() {
	dirs, _ := filepath.Glob(filepath.Join(parentFolder(serverUser()), folderPrefix+"*"))
	for _, dir := range dirs {
		sweepOne(dir, time.Now())
	}
}

func sweepOne(dir string, now time.Time) {
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer func() { _ = lock.Close() }()
	info, err := lock.Stat()
	if err != nil || now.Sub(info.ModTime()) < lockGrace {
		return
	}
	if held, err := tryLock(lock); err != nil || !held {
		return
	}
	// A server that outlived its parent sees within a minute that its folder is
	// gone, and ends itself (RecheckDataDirLockFile).
	_ = os.RemoveAll(dir)
}

// reachableBinaries gives the folder of the binaries as the server's user can
// execute them: where they are, or, when a folder above is closed to that user
// (root's home), linked or copied into the server's own folder.
func (p *place) reachableBinaries(bin string) (string, error) {
	bin, err := filepath.EvalSymlinks(bin)
	if err != nil {
		return "", fmt.Errorf("postgres: %w", err)
	}
	if bin, err = filepath.Abs(bin); err != nil {
		return "", fmt.Errorf("postgres: %w", err)
	}
	if p.user.reaches(bin) {
		return bin, nil
	}
	home := filepath.Dir(bin)
	copied := filepath.Join(p.dir, "postgres")
	for _, part := range []string{filepath.Base(bin), "lib", "share"} {
		if err := cloneTree(filepath.Join(home, part), filepath.Join(copied, part)); err != nil {
			return "", fmt.Errorf("postgres: copying the binaries out of a folder that is closed to the server's user: %w", err)
		}
	}
	return filepath.Join(copied, filepath.Base(bin)), nil
}

// cloneTree makes to look like from, by hard links where the file system allows.
func cloneTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(to, strings.TrimPrefix(path, from))
		switch {
		case d.IsDir():
			return os.MkdirAll(target, 0o755)
		case d.Type()&fs.ModeSymlink != 0:
			dest, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(dest, target)
		case os.Link(path, target) == nil:
			return nil
		}
		return copyFile(path, target)
	})
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, info.Mode().Perm())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = io.Copy(out, in)
	return err
}
