package keyring

import (
	"context"
	"errors"
	"sync"

	"github.com/pgseal/pgseal/crypto/keystore"
)

// manyChanges is from how many changes on all orgs are read in one go.
const manyChanges = 32

// changes are orgs that the keystore has told a change of, and that were not read
// since.
type changes struct {
	wake chan struct{} // of capacity 1

	mu   sync.Mutex
	orgs map[string]bool
	all  bool
}

// add takes a notice in. It does not wait.
func (c *changes) add(orgs []string, all bool) {
	c.mu.Lock()
	c.all = c.all || all
	for _, o := range orgs {
		if c.orgs == nil {
			c.orgs = map[string]bool{}
		}
		c.orgs[o] = true
	}
	if len(c.orgs) > manyChanges {
		c.orgs, c.all = nil, true
	}
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// take gives what was told since it was called last.
func (c *changes) take() (orgs []string, all bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for o := range c.orgs {
		orgs = append(orgs, o)
	}
	all = c.all
	c.orgs, c.all = nil, false
	return orgs, all
}

// follow reads the orgs again that the keystore tells a change of, until ctx ends.
// What cannot be read is tried again.
func (r *Keyring) follow(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.changed.wake:
		}
		orgs, all := r.changed.take()
		if all {
			if r.read(ctx) == nil {
				continue
			}
		} else if orgs = r.rereadAll(ctx, orgs); len(orgs) == 0 {
			continue
		}
		pause(ctx, r.options.Negative)
		r.changed.add(orgs, all)
	}
}

// rereadAll reads orgs again, and gives those that could not be read.
func (r *Keyring) rereadAll(ctx context.Context, orgs []string) (failed []string) {
	for _, name := range orgs {
		r.missing.drop(name)
		if r.orgs.find(name) == nil {
			continue // it is read when it is used, or with the next round
		}
		if _, err := r.reread(ctx, name); err != nil && !errors.Is(err, keystore.ErrNotFound) {
			failed = append(failed, name)
		}
	}
	return failed
}

// watching is told how changes in the keystore are noticed now.
func (r *Keyring) watching(now keystore.WatchState) {
	switch {
	case now.Err != nil:
		r.log.Warn("changes of orgs' keys in the keystore are not noticed at once", "error", now.Err)
	case now.Listening:
		r.log.Info("changes of orgs' keys in the keystore are told at once")
	default:
		r.log.Info("changes of orgs' keys in the keystore are looked for every second: notices do not come through")
	}
}
