package proxy

import (
	"bytes"

	"github.com/pgseal/pgseal/internal/telemetry"
	"github.com/pgseal/pgseal/rewrite"
)

// The messages of the extended query protocol that hold neither text nor values.

// handleDescribe: the reply's columns and parameters get their logical types
// back.
func (f *frontend) handleDescribe(frame, body []byte) error {
	f.open = true
	name, ok := nameAfter(body)
	if !ok {
		f.s.push(reply{kind: replyDescribeStatement})
		f.out.relay(frame)
		return nil
	}
	switch body[0] {
	case 'S':
		st, err := f.lookupStatement(name)
		if err != nil {
			return err
		}
		r := reply{kind: replyDescribeStatement, statement: st}
		if st != nil && st.fetches() {
			if r.fetch, err = f.fetchOf(st); err != nil {
				return err
			}
		}
		f.s.push(r)
	default:
		p, err := f.lookupPortal(name)
		if err != nil {
			return err
		}
		if p == nil {
			p = unseenPortal(name)
		}
		r := reply{kind: replyDescribePortal, portal: p}
		if p != nil && p.statement.fetches() {
			if r.fetch, err = f.fetchOf(p.statement); err != nil {
				return err
			}
			p.asked = true
		}
		f.s.push(r)
	}
	f.out.relay(frame)
	return nil
}

// handleExecute: rows of the portal may have sealed values to open, or its COPY
// sealed values in it.
func (f *frontend) handleExecute(frame, body []byte) error {
	f.open = true
	name, rows, ok := cutString(body)
	if !ok || len(rows) != 4 { // the server says so
		f.s.push(reply{kind: replyExecute})
		f.out.relay(frame)
		return nil
	}
	p, err := f.lookupPortal(name)
	if err != nil {
		return err
	}
	if p == nil {
		p = unseenPortal(name)
	}
	if p != nil && p.statement.planned != nil && p.statement.planned.Execute != nil {
		if refusal, err := f.stillRuns(p.statement); refusal != nil || err != nil {
			if err != nil {
				return err
			}
			return f.bindRefused(refusal)
		}
	}
	var fetch *fetch
	if p != nil && p.statement.fetches() {
		if fetch, err = f.fetchOf(p.statement); err != nil {
			return err
		}
	}
	pure := p != nil && p.statement.plan != nil && p.statement.plan.Pure || fetch != nil && fetch.pure()
	if !pure {
		if err := f.settleOpens(); err != nil {
			return err
		}
		f.effects = true
	}
	if fetch != nil && !p.asked {
		f.describeOwn(name, p, fetch)
	}
	f.outcome = telemetry.Relayed
	if p != nil && p.statement.touches() {
		f.outcome = telemetry.Rewritten
	}
	f.s.server.metrics.Statement(f.outcome)
	r := reply{kind: replyExecute, portal: p, span: f.startSpan("EXECUTE")}
	r.opens = p != nil && p.statement.plan != nil && p.statement.plan.Opens() || fetch != nil && fetch.mayOpen()
	if fetch != nil {
		f.planner.changed(fetch.effects())
	}
	if p != nil {
		f.planner.changed(p.statement.effects)
		r.changesCatalog = p.statement.effects&rewrite.ChangesCatalog != 0
		if p.statement.plan != nil {
			r.name = f.recordNames(p.statement.plan, p.statement, p.orgs)
		}
	}
	f.s.push(r)
	f.out.relay(frame)
	return nil
}

// handleClose forgets the name, if the server does. A Close neither fails nor begins a
// transaction, so that a segment with nothing else in it is not open yet: what pgseal
// asks then ends with a Sync, and its snapshot is not in the way of a BEGIN ISOLATION
// LEVEL or a VACUUM that comes next.
func (f *frontend) handleClose(frame, body []byte) error {
	f.closes = true
	f.open = f.open || !closesWell(body) // the server refuses others
	op := &nameOp{}
	if name, ok := nameAfter(body); ok {
		if body[0] == 'S' {
			f.statements.set(name, nil, op, f.segment)
		} else {
			f.portals.set(name, nil, op, f.segment)
		}
	}
	f.s.push(reply{kind: replyClose, name: op})
	f.out.relay(frame)
	return nil
}

// closesWell tells whether a Close has the form that it must have.
func closesWell(body []byte) bool {
	return len(body) > 1 && (body[0] == 'S' || body[0] == 'P') && bytes.IndexByte(body[1:], 0) == len(body)-2
}

// handleSync ends a segment. What the segment changed becomes permanent with it
// (outside of a transaction block), so open results are waited for then.
func (f *frontend) handleSync(frame []byte) error {
	if f.effects {
		if err := f.settleOpens(); err != nil {
			return err
		}
	}
	if f.pushSync() {
		return nil
	}
	f.out.relay(frame)
	f.endSegment()
	return nil
}

// endQuery: a simple Query ends the segment that it stands in, unless the server
// skips it for an error of an earlier message there.
func (f *frontend) endQuery() {
	doubtful := f.open || f.doubtful
	f.endSegment()
	f.doubtful = doubtful
}

// endSegment: what follows no longer shares the fate of what came before.
func (f *frontend) endSegment() {
	f.segment++
	f.open, f.closes, f.effects, f.doubtful = false, false, false, false
	f.planner.endSegment()
}

// lookupStatement finds what a name stands for, waiting for the server where
// that is not sure yet.
func (f *frontend) lookupStatement(name []byte) (*statement, error) {
	for {
		st, wait := f.statements.get(name, f.segment)
		if wait == nil {
			return st, nil
		}
		if err := f.await(wait); err != nil {
			return nil, err
		}
	}
}

func (f *frontend) lookupPortal(name []byte) (*portal, error) {
	for {
		p, wait := f.portals.get(name, f.segment)
		if wait == nil {
			return p, nil
		}
		if err := f.await(wait); err != nil {
			return nil, err
		}
	}
}
