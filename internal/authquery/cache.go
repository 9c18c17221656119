package authquery

import (
	"sync"
	"time"
)

// maxCached bounds the users that are kept.
const maxCached = 10_000

// cache keeps answers for a time, those about users who are not there too: else
// how long an answer takes would tell who is.
type cache struct {
	ttl     time.Duration
	mu      sync.Mutex
	entries map[string]*entry
}

type entry struct {
	version string // what must be the same for it to serve
	stored  Stored
	timer   *time.Timer
}

func newCache(ttl time.Duration) cache {
	return cache{ttl: ttl, entries: make(map[string]*entry)}
}

// get gives a copy.
func (c *cache) get(user, version string) (Stored, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[user]
	if e == nil || e.version != version {
		return Stored{}, false
	}
	return e.stored.clone(), true
}

// put takes stored over, in the place of what was there.
func (c *cache) put(user, version string, stored Stored) {
	if c.ttl <= 0 {
		stored.Zero()
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(user, c.entries[user])
	if len(c.entries) >= maxCached {
		for other, e := range c.entries { // any one
			c.drop(other, e)
			break
		}
	}
	e := &entry{version: version, stored: stored}
	e.timer = time.AfterFunc(c.ttl, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.drop(user, e)
	})
	c.entries[user] = e
}

// drop zeroes an entry and takes it out, unless another one is there by now. The
// lock is held.
func (c *cache) drop(user string, e *entry) {
	if e == nil || c.entries[user] != e {
		return
	}
	e.timer.Stop()
	e.stored.Zero()
	delete(c.entries, user)
}

func (c *cache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for user, e := range c.entries {
		c.drop(user, e)
	}
}
