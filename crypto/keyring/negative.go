package keyring

import (
	"sync"
	"time"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// maxNegatives bounds the answers that are kept: their keys come from clients.
const maxNegatives = 10_000

// negatives keeps answers that are not worth asking for again at once, each for
// a moment: that an org has no key, that a data key does not unwrap.
type negatives[K comparable] struct {
	now  func() time.Duration
	span time.Duration

	mu      sync.Mutex
	answers map[K]negative
}

type negative struct {
	err   *pgerr.Error
	until time.Duration
}

func newNegatives[K comparable](now func() time.Duration, span time.Duration) *negatives[K] {
	return &negatives[K]{now: now, span: span, answers: map[K]negative{}}
}

// get gives the answer, as a nil error when there is none.
func (n *negatives[K]) get(key K) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if a, ok := n.answers[key]; ok && n.now() < a.until {
		return a.err
	}
	return nil
}

// put keeps an answer and returns it.
func (n *negatives[K]) put(key K, err *pgerr.Error) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.answers) >= maxNegatives {
		clear(n.answers) // all of them go stale in a moment anyway
	}
	n.answers[key] = negative{err: err, until: n.now() + n.span}
	return err
}

// drop forgets an answer.
func (n *negatives[K]) drop(key K) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.answers, key)
}
