package proxy

import "sync/atomic"

// names maps the names of prepared statements, or of portals, to what pgseal
// knows of them, as the server will see the names when the message at hand
// reaches it.
//
// The client's side sends on before the server has answered. Within one
// segment (up to a Sync or a simple Query) it may assume that everything before
// succeeded, since otherwise the server skips the message at hand. Across
// segments it may not: a Parse that failed has left the older statement of that
// name alive (error 42P05), and whoever binds it then means the older. So each
// change of a name is kept with its outcome, which the server's side settles,
// and a look-up that depends on an outcome not known yet says so.
type names[T any] map[string]*namesEntry[T]

type namesEntry[T any] struct {
	value   *T // nil: the name does not exist from here on
	op      *nameOp
	segment uint64
	before  *namesEntry[T] // what holds if op fails
}

// maxName is what the server keeps of a name: its hash tables' keys are NAMEDATALEN
// bytes with the final zero (prepare.c, portalmem.c), so longer names that begin
// alike are one.
const maxName = 63

func nameKey(name []byte) []byte { return name[:min(len(name), maxName)] }

// nameOp is the outcome of one Parse, Bind, Close or Query.
type nameOp struct{ outcome atomic.Int32 }

const (
	outcomePending int32 = iota
	outcomeDone
	outcomeFailed
)

// settle records the outcome.
func (o *nameOp) settle(done bool) {
	if done {
		o.outcome.Store(outcomeDone)
	} else {
		o.outcome.Store(outcomeFailed)
	}
}

// set records that a message of this segment gives the name to value, if it
// succeeds.
func (m names[T]) set(name []byte, value *T, op *nameOp, segment uint64) {
	name = nameKey(name)
	before := m.settled(name)
	if before == nil && value == nil {
		return
	}
	m[string(name)] = &namesEntry[T]{value: value, op: op, segment: segment, before: before}
}

// get finds what the name stands for in a message of this segment: nil when
// the name is unknown. When that hangs on an outcome in an earlier segment, it
// gives the operation to wait for.
func (m names[T]) get(name []byte, segment uint64) (value *T, wait *nameOp) {
	e := m.settled(name)
	if e == nil {
		return nil, nil
	}
	if e.segment != segment && e.op.outcome.Load() == outcomePending {
		return nil, e.op
	}
	return e.value, nil
}

// settled drops what failed and what is over, and gives the newest entry left.
func (m names[T]) settled(name []byte) *namesEntry[T] {
	name = nameKey(name)
	e := m[string(name)]
	for e != nil {
		switch e.op.outcome.Load() {
		case outcomeFailed:
			e = e.before
			continue
		case outcomeDone:
			e.before = nil
			if e.value == nil {
				e = nil
			}
		}
		break
	}
	if e == nil {
		delete(m, string(name))
	} else if m[string(name)] != e {
		m[string(name)] = e
	}
	return e
}

// is tells whether the name stands for value in a message of this segment, so
// that making it stand for value again changes nothing. An operation of an earlier
// segment that is still under way may fail, and then it does not.
func (m names[T]) is(name []byte, value *T, segment uint64) bool {
	e := m.settled(name)
	return e != nil && e.value == value && e.before == nil &&
		(e.segment == segment || e.op.outcome.Load() == outcomeDone)
}
