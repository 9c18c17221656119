package audit

import (
	"slices"
	"time"
)

// Bounds on what is kept of users.
const (
	// perWindow is how many different refusals of one user have entries of their own in
	// a window; what is beyond is counted in one more.
	perWindow = 16
	window    = time.Minute
	// maxSeen bounds the users and orgs that are known to have been logged in this
	// period. Beyond it an open may be logged once a session.
	maxSeen = 100_000
)

// pending is what waits to be written, the oldest first.
type pending struct {
	most    int
	list    []*entry
	same    map[Use]*entry // refusals in list that may be counted up
	windows map[who]*refusals

	seen   map[userOrg]struct{} // opened in period
	period int64

	lost gap
}

// gap counts entries that there was no room for.
type gap struct {
	count    int64
	from, to time.Time
}

type userOrg struct{ user, org string }

// who is a user; all that are not authenticated are one.
type who struct {
	user            string
	unauthenticated bool
}

// refusals are those of one user in a window.
type refusals struct {
	begin time.Time
	n     int
}

func newPending(most int) pending {
	return pending{most: most, same: make(map[Use]*entry), windows: make(map[who]*refusals), seen: make(map[userOrg]struct{})}
}

// opened notes the first open of a user and org in a period. It gives an entry that
// there was no room for.
func (p *pending) opened(u Use, period int64, now time.Time) *entry {
	if period != p.period {
		p.period = period
		clear(p.seen)
	}
	key := userOrg{u.User, u.Org}
	if _, again := p.seen[key]; again {
		return nil
	}
	if len(p.seen) < maxSeen {
		p.seen[key] = struct{}{}
	}
	return p.add(&entry{use: u, action: ActionOpen, count: 1, from: now, to: now})
}

// refused notes a refusal. It gives an entry that there was no room for.
func (p *pending) refused(u Use, now time.Time) *entry {
	if p.again(u, now) {
		return nil
	}
	user := who{u.User, u.Unauthenticated}
	if u.Unauthenticated {
		user.user = ""
	}
	w := p.windows[user]
	if w == nil || now.Sub(w.begin) >= window || now.Before(w.begin) {
		w = &refusals{begin: now}
		p.windows[user] = w
	}
	e := &entry{use: u, action: ActionRefused, count: 1, from: now, to: now}
	if w.n++; w.n > perWindow {
		e.use = Use{User: user.user, Unauthenticated: u.Unauthenticated}
		if p.again(e.use, now) {
			return nil
		}
		e.further, e.due = true, w.begin.Add(window)
	}
	return p.add(e)
}

// again counts up a refusal that waits already.
func (p *pending) again(u Use, now time.Time) bool {
	e := p.same[u]
	if e != nil {
		e.count, e.to = e.count+1, now
	}
	return e != nil
}

// add appends an entry, or counts and returns it if there is no room.
func (p *pending) add(e *entry) *entry {
	if len(p.list) >= p.most {
		if p.lost.count == 0 {
			p.lost.from = e.from
		}
		p.lost.count, p.lost.to = p.lost.count+1, e.to
		return e
	}
	p.list = append(p.list, e)
	p.countUp(e)
	return nil
}

// countUp has further refusals of the same kind counted in the entry.
func (p *pending) countUp(e *entry) {
	if e.action == ActionRefused && p.same[e.use] == nil {
		p.same[e.use] = e
	}
}

// take gives entries that are due, most at most, and what was lost. They change no more
// until they are stored, or kept for another try.
func (p *pending) take(most int, all bool, now time.Time) (batch []*entry, lost gap) {
	for user, w := range p.windows {
		if now.Sub(w.begin) >= window {
			delete(p.windows, user)
		}
	}
	for _, e := range p.list {
		if len(batch) < most && (all || !e.due.After(now)) {
			batch = append(batch, e)
		}
	}
	for _, e := range batch {
		if p.same[e.use] == e {
			delete(p.same, e.use)
		}
	}
	return batch, p.lost
}

// stored forgets what was taken.
func (p *pending) stored(batch []*entry, lost gap) {
	taken := make(map[*entry]bool, len(batch))
	for _, e := range batch {
		taken[e] = true
	}
	p.list = slices.DeleteFunc(p.list, func(e *entry) bool { return taken[e] })
	if p.lost.count -= lost.count; p.lost.count > 0 {
		p.lost.from = lost.to
	}
}

// keep keeps what was taken for another try.
func (p *pending) keep(batch []*entry) {
	for _, e := range batch {
		p.countUp(e)
	}
}
