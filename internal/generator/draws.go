package generator

import "math/rand/v2"

// draws is where all decisions come from: at random, or as they were recorded. Zero
// always decides for the simplest, so that what is recorded can be made smaller by
// leaving numbers out and putting zeros in.
type draws struct {
	random *rand.Rand // nil: what is not recorded is zero
	replay []int
	made   []int
}

// n gives a number below limit.
func (d *draws) n(limit int) int {
	i := 0
	switch at := len(d.made); {
	case at < len(d.replay):
		i = d.replay[at] % limit
	case d.random != nil:
		i = d.random.IntN(limit)
	}
	d.made = append(d.made, i)
	return i
}

// oneIn is true once in n times, and not when all is simple.
func (d *draws) oneIn(n int) bool { return d.n(n) == n-1 }

// pick gives one of several, the first of which is the simplest.
func pick[T any](d *draws, from ...T) T { return from[d.n(len(from))] }
