package proxy

import (
	"encoding/binary"
	"encoding/hex"
	"unicode/utf8"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/internal/telemetry"
	"github.com/pgseal/pgseal/rewrite"
)

// query is a simple Query under way that touches something sealed.
type query struct {
	statements []rewrite.Statement
	current    int // statements that the server has completed
	// PREPARE and DEALLOCATE are not undone with a transaction: each statement's
	// names have an outcome of their own, nil where it has none.
	names   []*nameOp
	fetches []*fetch // by statement, nil for what is no FETCH
	edits   positionMap
}

// completed is told that the server has done the statement at hand.
func (q *query) completed() {
	if q.current < len(q.names) && q.names[q.current] != nil {
		q.names[q.current].settle(true)
	}
	q.current++
}

// ended is told that it does no more of them.
func (q *query) ended(done bool) {
	for i := q.current; i < len(q.names); i++ {
		if q.names[i] != nil {
			q.names[i].settle(done)
		}
	}
	q.names = nil
}

// handleQuery plans the statements of a simple Query. What is refused, and
// everything behind it, is replaced by a statement that the server refuses: it
// has then done what stands before, as Postgres does with an error in the
// middle of a string.
func (f *frontend) handleQuery(frame, body []byte) error {
	text, rest, ok := cutString(body)
	if !ok || len(rest) > 0 {
		f.s.push(reply{kind: replyQuery})
		bad := []byte{'Q', 0, 0, 0, 4} // "invalid string in message", as for the client's own
		if ok {
			bad = []byte{'Q', 0, 0, 0, 6, 0, 0} // "invalid message format"
		}
		f.out.buf = append(f.out.begin(), bad...)
		f.endQuery()
		return nil
	}
	if f.s.walsender && isReplicationCommand(text) {
		f.relayCommand(frame)
		return nil
	}
	plan, err := f.planner.plan(f, text, false)
	if err != nil {
		return err
	}
	plan, q, err := f.resolve(plan, text)
	if err != nil {
		return err
	}
	if err := f.settleOpens(); err != nil {
		return err
	}
	f.planner.changed(plan.Effects)
	r := reply{kind: replyQuery, changesCatalog: plan.Effects&rewrite.ChangesCatalog != 0}
	f.forgetUnnamed(&r)
	if plan.Relay {
		f.s.server.metrics.Statement(f.outcome)
		r.span = f.startSpan("QUERY")
		if plan.Effects&rewrite.UsesCursors != 0 {
			r.fetch, r.opens = unplannedFetch, true
		}
		f.s.push(r)
		f.out.relay(frame)
	} else {
		f.outcome = telemetry.Rewritten
		f.sendQuery(text, plan, q, r)
	}
	f.endQuery()
	return nil
}

// forgetUnnamed: a simple Query destroys the unnamed statement and portal
// (exec_simple_query). One of which nothing is known need not be forgotten.
func (f *frontend) forgetUnnamed(r *reply) {
	known := false
	for e := f.statements.settled(nil); e != nil; e = e.before {
		known = known || e.value != nil && e.value.plan != nil
	}
	if known {
		if r.name == nil {
			r.name = &nameOp{}
		}
		f.statements.set(nil, nil, r.name, f.segment)
	}
}

// sendQuery sends the rewritten text.
func (f *frontend) sendQuery(text []byte, plan *rewrite.Plan, q *query, r reply) {
	start := f.out.begin()
	at := len(start)
	dst, edits, refusal := f.splice(beginMessage(start, 'Q'), text, plan, nil)
	dst, err := endMessage(append(dst, 0), at)
	if err != nil {
		refusal = asClientError(err)
		dst = appendQuery(dst[:at], refusedText)
	}
	f.out.buf = dst
	if refusal != nil {
		f.refused(refusal)
	}
	f.s.server.metrics.Statement(f.outcome)
	r.span = f.startSpan("QUERY")
	q.statements, q.edits = plan.Statements, edits
	r.query, r.refusal = q, refusal
	for i := range plan.Statements {
		r.opens = r.opens || plan.Statements[i].Opens() || i < len(q.fetches) && q.fetches[i] != nil && q.fetches[i].mayOpen()
	}
	f.s.push(r)
}

// refusalOf tells why a statement is refused: its plan says so, or what its plan
// cannot know.
func (f *frontend) refusalOf(st *rewrite.Statement) *pgerr.Error {
	if st.Refusal != nil {
		return st.Refusal
	}
	if refusal := f.checkSetsOrg(st); refusal != nil {
		return refusal
	}
	switch {
	case st.Copy != nil:
		refusal := f.s.settings.Load().refuseCopy(st.Copy)
		if refusal == nil && st.Copy.AddsOrg != nil {
			if _, err := f.addedOrg(st.Copy); err != nil {
				refusal = asClientError(err)
			}
		}
		return refusal
	case st.Prepare != nil:
		return f.checkPrepare(st.Prepare)
	}
	return nil
}

// splice appends the rewritten text of all statements. The first statement that
// is refused, or whose literals cannot be sealed, and all that follows it is
// replaced by one that the server refuses; the refusal is returned. Own are pgseal's
// parameters; nil in a simple Query, which has none.
func (f *frontend) splice(dst, text []byte, plan *rewrite.Plan, own *ownParams) ([]byte, positionMap, *pgerr.Error) {
	m := positionMap{}
	if plan.Refusal != nil {
		return append(dst, textInPlaceOf(plan.Refusal)...), m, plan.Refusal
	}
	m.text = string(text)
	source := 0
	for i := range plan.Statements {
		st := &plan.Statements[i]
		dst = append(dst, text[source:st.Start]...)
		at, before := len(dst), len(m.replaced)
		refusal := f.refusalOf(st)
		if refusal == nil {
			var err error
			if dst, err = f.spliceStatement(dst, &m, st, own); err != nil {
				refusal = asClientError(err)
			}
		}
		if refusal != nil {
			// The server may find an error before it comes to this statement.
			m.replaced = m.replaced[:before]
			m.sort()
			return append(dst[:at], refusedText...), m, refusal
		}
		source = st.End
	}
	m.sort()
	return append(dst, text[source:]...), m, nil
}

func (f *frontend) spliceStatement(dst []byte, m *positionMap, st *rewrite.Statement, own *ownParams) ([]byte, error) {
	literal := func(dst []byte, i int) ([]byte, error) {
		l := &st.Literals[i]
		before := len(dst)
		var err error
		if own != nil && isLate(st, l) {
			dst, err = f.appendLate(dst, own, l)
		} else {
			dst, err = f.appendLiteral(dst, l, st.Raw)
		}
		if err != nil {
			err = atPosition(err, m.text, l)
		}
		m.replaced = append(m.replaced, replacedRange{l.Start, l.End, len(dst) - before})
		return dst, err
	}
	org := func(dst []byte, i int) ([]byte, error) {
		place := &st.Orgs[i]
		before := len(dst)
		var orgParam int
		if own != nil && own.org {
			orgParam = own.clients + 1
		}
		dst, err := f.appendOrg(dst, st, orgParam)
		if err != nil {
			placed := *asClientError(err)
			placed.Position = 1 + utf8.RuneCountInString(m.text[:place.At])
			return dst, &placed
		}
		length := utf8.RuneCountInString(place.Before) + utf8.RuneCount(dst[before:]) + utf8.RuneCountInString(place.After)
		m.replaced = append(m.replaced, replacedRange{place.At, place.At, length})
		return dst, err
	}
	dst, err := rewrite.Splice(dst, m.text, st, literal, org)
	if err != nil {
		return dst, err
	}
	for _, e := range st.Edits {
		m.replaced = append(m.replaced, replacedRange{e.Start, e.End, utf8.RuneCountInString(e.Text)})
	}
	return dst, nil
}

// atPosition says where in the client's text an error is that has no place yet.
// Postgres says it of a string that it reads as the column's type
// (setup_parser_errposition_callback in coerce_type), not of a cast at run time.
func atPosition(err error, text string, l *rewrite.Literal) error {
	e := *asClientError(err)
	if own := e.Anchor != ""; e.Position == 0 && (own || (l.TypeOID == 0 || l.Declared) && !l.AtRun && !e.AtRun) {
		e.Position = 1 + utf8.RuneCountInString(text[:l.At])
	}
	return &e
}

// appendLiteral appends the sealed value of a literal, as a literal of bytea.
func (f *frontend) appendLiteral(dst []byte, l *rewrite.Literal, raw bool) ([]byte, error) {
	if l.Array {
		return f.appendArrayLiteral(dst, l)
	}
	sealed, err := f.sealLiteral(emptied(f.scratch), l, raw)
	if err != nil {
		return dst, err
	}
	f.scratch = sealed
	dst = append(dst, `'\x`...)
	dst = hex.AppendEncode(dst, sealed)
	dst = append(dst, '\'')
	if l.Cast {
		dst = append(dst, "::pgseal.sealed"...)
	}
	return dst, nil
}

// sealLiteral appends the sealed value of a literal; in raw mode it must be one.
func (f *frontend) sealLiteral(dst []byte, l *rewrite.Literal, raw bool) ([]byte, error) {
	if raw {
		return appendPassed(dst, []byte(l.Value), pgtypes.Text, l.Column)
	}
	org, err := f.orgOf(&l.Org, nil)
	if err != nil {
		return dst, err
	}
	if err := f.seal.readLiteral(l, f.s.settings.Load().literals); err != nil {
		return dst, err
	}
	return f.seal.seal(dst, l.Column, org)
}

// appendQuery appends a Query of pgseal's own.
func appendQuery(dst []byte, text string) []byte {
	at := len(dst)
	dst = beginMessage(dst, 'Q')
	dst = append(append(dst, text...), 0)
	binary.BigEndian.PutUint32(dst[at+1:], uint32(len(dst)-at-1))
	return dst
}
