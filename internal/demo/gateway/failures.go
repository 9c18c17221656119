package gateway

import (
	"errors"
	"fmt"
	"sync"
)

// failuresKept is how many errors are told in full; of the rest, the number.
const failuresKept = 8

// failures gathers what could not be written. The customers' requests do not fail
// for it: they have had their answers.
type failures struct {
	mu   sync.Mutex
	kept []error
	more int
	orgs map[string]int // since the start
}

func (f *failures) add(org string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.orgs == nil {
		f.orgs = map[string]int{}
	}
	f.orgs[org]++
	if len(f.kept) < failuresKept {
		f.kept = append(f.kept, err)
	} else {
		f.more++
	}
}

// take gives the failures and forgets them.
func (f *failures) take() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.kept
	if f.more > 0 {
		all = append(all, fmt.Errorf("and %d more", f.more))
	}
	f.kept, f.more = nil, 0
	return errors.Join(all...)
}

// Failures is how many writes of an org's data failed since the start.
func (g *Gateway) Failures(org string) int {
	g.failures.mu.Lock()
	defer g.failures.mu.Unlock()
	return g.failures.orgs[org]
}
