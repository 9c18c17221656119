package proxy

import "testing"

// TestNames plays Parses and Closes of one name whose outcomes come late.
func TestNames(t *testing.T) {
	old, next := &statement{}, &statement{}
	name := []byte("s")
	settled := func(done bool) *nameOp {
		op := &nameOp{}
		op.settle(done)
		return op
	}
	tests := []struct {
		name  string
		setup func(m names[statement]) (wait *nameOp)
		want  *statement
	}{
		{"never made", func(names[statement]) *nameOp { return nil }, nil},
		{"made", func(m names[statement]) *nameOp {
			m.set(name, old, settled(true), 1)
			return nil
		}, old},
		{"a Parse over a live name failed: the older stays", func(m names[statement]) *nameOp {
			m.set(name, old, settled(true), 1)
			m.set(name, next, settled(false), 2)
			return nil
		}, old},
		{"a Parse in this segment counts before its outcome is known", func(m names[statement]) *nameOp {
			m.set(name, old, settled(true), 1)
			m.set(name, next, &nameOp{}, 9)
			return nil
		}, next},
		{"a Parse in an earlier segment has to be waited for", func(m names[statement]) *nameOp {
			op := &nameOp{}
			m.set(name, old, settled(true), 1)
			m.set(name, next, op, 2)
			return op
		}, nil},
		{"closed", func(m names[statement]) *nameOp {
			m.set(name, old, settled(true), 1)
			m.set(name, nil, settled(true), 2)
			return nil
		}, nil},
		{"a Close that was skipped", func(m names[statement]) *nameOp {
			m.set(name, old, settled(true), 1)
			m.set(name, nil, settled(false), 2)
			return nil
		}, old},
		{"closed and made again in this segment", func(m names[statement]) *nameOp {
			m.set(name, old, settled(true), 1)
			m.set(name, nil, &nameOp{}, 9)
			m.set(name, next, &nameOp{}, 9)
			return nil
		}, next},
		{"two failures in a row", func(m names[statement]) *nameOp {
			m.set(name, old, settled(true), 1)
			m.set(name, next, settled(false), 2)
			m.set(name, next, settled(false), 3)
			return nil
		}, old},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := names[statement]{}
			wantWait := test.setup(m)
			got, wait := m.get(name, 9)
			if got != test.want || wait != wantWait {
				t.Errorf("got %p, waiting for %p; want %p, waiting for %p", got, wait, test.want, wantWait)
			}
		})
	}
}

func TestNamesForgetWhatIsClosed(t *testing.T) {
	m := names[statement]{}
	for range 100 {
		op := &nameOp{}
		m.set([]byte("s"), &statement{}, op, 1)
		op.settle(true)
		op = &nameOp{}
		m.set([]byte("s"), nil, op, 1)
		op.settle(true)
	}
	if m.settled([]byte("s")) != nil || len(m) != 0 {
		t.Errorf("%d names are kept after all were closed", len(m))
	}
}

// TestNameIsMadeAgain: a name that is made again to stand for the same is recorded
// anew unless that changes nothing.
func TestNameIsMadeAgain(t *testing.T) {
	st, name := &statement{}, []byte("s")
	done, failed := &nameOp{}, &nameOp{}
	done.settle(true)
	failed.settle(false)
	for _, test := range []struct {
		name    string
		op      *nameOp
		segment uint64 // of op; the look is in 2
		want    bool
	}{
		{"made", done, 1, true},
		{"being made in this segment, whose failure this one shares", &nameOp{}, 2, true},
		{"being made in an earlier segment", &nameOp{}, 1, false},
		{"failed", failed, 1, false},
	} {
		m := names[statement]{}
		m.set(name, st, test.op, test.segment)
		if got := m.is(name, st, 2); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}
