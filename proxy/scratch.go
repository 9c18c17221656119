package proxy

import "sync"

// Space that is needed for a moment. A session holds it while it works, and gives
// it back when it waits for its client or its server.

// spaces is a pool of slices. A sync.Pool holds pointers, and a new pointer for
// each slice put would be an allocation, so those are kept too.
type spaces struct{ full, empty sync.Pool }

// get gives an empty slice, nil when there is none.
func (s *spaces) get() []byte {
	p, _ := s.full.Get().(*[]byte)
	if p == nil {
		return nil
	}
	b := *p
	*p = nil
	s.empty.Put(p)
	return b[:0]
}

// put takes a slice that nobody uses any more.
func (s *spaces) put(b []byte) {
	p, _ := s.empty.Get().(*[]byte)
	if p == nil {
		p = new([]byte)
	}
	*p = b
	s.full.Put(p)
}

var (
	outputs   spaces // for messages that are written
	scratches spaces // for values
)

// keepScratchSize is the largest scratch space that is kept for the next value.
const keepScratchSize = 256 << 10

// emptied gives scratch space to append to.
func emptied(scratch []byte) []byte {
	switch {
	case scratch == nil:
		return scratches.get()
	case cap(scratch) > keepScratchSize:
		return nil
	}
	return scratch[:0]
}

// giveBack gives scratch space back, and nil in its place.
func giveBack(scratch []byte) []byte {
	if scratch != nil && cap(scratch) <= keepScratchSize {
		scratches.put(scratch)
	}
	return nil
}
