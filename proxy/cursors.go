package proxy

import (
	"encoding/binary"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/pgexpr"
	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/policy"
	"github.com/pgseal/pgseal/rewrite"
)

// Cursors of SQL: DECLARE, FETCH, MOVE and CLOSE. They share their names with the
// portals of the extended protocol, so each is a portal that pgseal keeps the columns
// of.
//
// What a FETCH returns is decided by its RowDescription, which tells of which
// relation's column each field is. A cursor that was seen being made tells more: the
// columns that come through UNION ALL or a subquery, and the org of the rows. It is
// believed where it fits, since a cursor of that name may have come to be unseen: in a
// function, or in a statement that names nothing sealed. Where neither tells that a
// column is sealed, its values are handed out as they are stored.

// fetch is a FETCH under way.
type fetch struct {
	from   *portal         // the cursor, nil when pgseal has not seen it being made
	cursor *rewrite.Cursor // nil when the text was not planned
	raw    bool            // what it returns goes out as it is stored
	ran    bool            // a statement before it in the same text called functions
}

// unplannedFetch is any FETCH of a text that was not planned.
var unplannedFetch = &fetch{}

// fetched is what is done with the rows of a FETCH.
type fetched struct {
	rows *rowPlan // nil: nothing is opened
	orgs []string
}

// fetches tells whether a statement is, or may be, a FETCH.
func (st *statement) fetches() bool {
	if st.plan == nil {
		return st.effects&rewrite.UsesCursors != 0
	}
	return st.plan.Cursor != nil && st.plan.Cursor.Op == rewrite.FetchesCursor
}

// unseenPortal stands for a portal that pgseal has not seen being made, which may be a
// cursor that a function has opened; nil for the unnamed one, which is none.
func unseenPortal(name []byte) *portal {
	if len(name) == 0 {
		return nil
	}
	return &portal{statement: relayedStatements[rewrite.UsesCursors]}
}

// fetchOf gives what is known of the FETCH that a statement is.
func (f *frontend) fetchOf(st *statement) (*fetch, error) {
	if st.plan == nil {
		return unplannedFetch, nil
	}
	from, err := f.lookupCursor(st.plan.Cursor.Name)
	return &fetch{from: from, cursor: st.plan.Cursor, raw: st.plan.Raw}, err
}

// lookupCursor finds what a cursor's name stands for, nil for nothing that pgseal
// knows.
func (f *frontend) lookupCursor(name string) (*portal, error) {
	f.prunePortals(1)
	return f.lookupPortal([]byte(name))
}

// mayOpen tells whether what is fetched may have to be opened.
func (f *fetch) mayOpen() bool { return !f.raw && (f.from == nil || f.from.statement.plan != nil) }

// pure tells whether the FETCH changes and locks nothing, so far as is known.
func (f *fetch) pure() bool {
	return f.from != nil && f.from.statement.plan != nil && f.from.statement.plan.Pure
}

// effects are those of the cursor's query.
func (f *fetch) effects() rewrite.Effects {
	if f.from == nil {
		return rewrite.CallsFunctions
	}
	return f.from.statement.effects
}

// check tells why the columns of a known cursor cannot be opened, nil when they can.
func (f *fetch) check() *pgerr.Error {
	if f.raw || f.from == nil || f.from.statement.plan == nil {
		return nil
	}
	for i := range f.from.statement.plan.Outputs {
		if refusal := f.checkColumn(f.from.statement.plan.Outputs[i].Column, f.from.statement.plan.Outputs[i].Steps); refusal != nil {
			return refusal
		}
	}
	return nil
}

// checkColumn tells why a column cannot be opened, nil when it can.
func (f *fetch) checkColumn(c *policy.Column, steps []pgexpr.Step) *pgerr.Error {
	if f.cursor == nil {
		return nil
	}
	return f.cursor.Check(c, steps, f.ran)
}

// declared is the portal that a DECLARE makes; orgs are those of its query's outputs,
// as far as they were in parameters.
func (f *frontend) declared(c *rewrite.Cursor, effects rewrite.Effects, orgs []string) *portal {
	p := &portal{statement: &statement{plan: &c.Query, effects: effects}, hold: c.Hold, orgs: orgs}
	if len(c.Query.Outputs) == 0 {
		return p
	}
	f.sealedNames = true
	if orgs == nil {
		p.orgs = knownOrgs(c.Query.Outputs)
	}
	// Executed as a portal it gives text, be it declared BINARY or not: nothing has
	// set its formats (PerformCursorOpen).
	p.rows = f.s.server.rowPlan(&c.Query, func(int) (client, server pgtypes.Format) { return pgtypes.Text, pgtypes.Text })
	return p
}

// knownOrgs are the orgs of outputs that the statement's text tells, "" for others.
func knownOrgs(outputs []rewrite.Output) []string {
	orgs := make([]string, len(outputs))
	for i := range outputs {
		if outputs[i].Org.Kind == rewrite.OrgValue {
			orgs[i] = outputs[i].Org.Value
		}
	}
	return orgs
}

// recordCursor follows what a statement does to the names of cursors.
func (f *frontend) recordCursor(c *rewrite.Cursor, op *nameOp, effects rewrite.Effects, orgs []string) {
	switch {
	case c.Op == rewrite.DeclaresCursor:
		f.portals.set([]byte(c.Name), f.declared(c, effects, orgs), op, f.segment)
	case c.Op == rewrite.ClosesCursor && c.Name != "":
		f.portals.set([]byte(c.Name), nil, op, f.segment)
	case c.Op == rewrite.ClosesCursor:
		for each := range f.portals { // the unnamed one too (PortalHashTableDeleteAll)
			f.portals.set([]byte(each), nil, op, f.segment)
		}
	}
}

// describeOwn asks for the columns of a FETCH that the client executes without having
// asked for them: an Execute brings no RowDescription.
func (f *frontend) describeOwn(name []byte, p *portal, fetch *fetch) {
	p.asked = true
	f.s.push(reply{kind: replyDescribePortal, portal: p, fetch: fetch, own: true, ownError: true})
	f.out.buf = appendNamed(f.out.begin(), 'D', 'P', string(name), "")
}

// fetchAt gives the FETCH whose rows a reply describes, nil when they are none's.
func (r *reply) fetchAt() *fetch {
	if q := r.query; q != nil {
		if q.current < len(q.fetches) {
			return q.fetches[q.current]
		}
		return nil
	}
	return r.fetch
}

// describeFetched decides by its RowDescription what is done with the rows of a FETCH,
// and gives sealed columns their logical type.
func (b *backend) describeFetched(frame []byte, r *reply, f *fetch) error {
	dst := b.out.begin()
	at := len(dst)
	dst = append(dst, frame...)
	body := dst[at+headerSize:]
	offsets, ok := fieldOffsets(body, b.rows.offsets[:0])
	b.rows.offsets = offsets
	if !ok {
		b.out.relay(frame)
		return nil
	}
	rows := &fetched{}
	if !f.raw {
		rows = b.fetchedRows(body, offsets, f)
	}
	if rows.rows != nil {
		for i := range rows.rows.columns {
			c := &rows.rows.columns[i]
			if refusal := f.checkColumn(c.column, c.steps); refusal != nil {
				b.out.buf = dst[:at]
				return b.openFailed(refusal)
			}
			setLogicalType(body[offsets[c.index]:], c.typ, c.noModifier, c.client)
			if c.program != nil {
				setComputed(body[offsets[c.index]:])
			}
		}
	}
	switch r.kind {
	case replyQuery:
		b.rows.reset()
		b.rows.known, b.rows.plan, b.rows.orgs = true, rows.rows, rows.orgs
	case replyDescribePortal:
		b.s.mu.Lock()
		r.portal.fetched = rows
		b.s.mu.Unlock()
	}
	if r.own {
		dst = dst[:at]
	}
	b.out.buf = dst
	return nil
}

// fetchedRows tells which of the fields of a RowDescription are opened, and as what.
func (b *backend) fetchedRows(body []byte, offsets []int, f *fetch) *fetched {
	formats := func(i int) (client, server pgtypes.Format) {
		format := pgtypes.Format(binary.BigEndian.Uint16(body[offsets[i]+16:]))
		return format, format
	}
	columnOf := func(i int) (*policy.Column, bool) {
		field := body[offsets[i]:]
		plans := b.s.server.plans.current.Load()
		if plans == nil || binary.BigEndian.Uint32(field[6:]) != oidBytea {
			return nil, false
		}
		return plans.rewriter.Column(binary.BigEndian.Uint32(field), int16(binary.BigEndian.Uint16(field[4:])))
	}
	if f.from != nil && f.from.statement.plan != nil && fits(f.from.statement.plan, body, offsets, columnOf) {
		st := f.from.statement.plan
		orgs := f.from.orgs
		if len(orgs) != len(st.Outputs) {
			orgs = make([]string, len(st.Outputs))
		}
		return &fetched{rows: b.s.server.rowPlan(st, formats), orgs: orgs}
	}
	found := rewrite.Statement{NumOutputs: len(offsets)}
	for i := range offsets {
		if c, _ := columnOf(i); c != nil {
			found.Outputs = append(found.Outputs, rewrite.Output{Index: i, Column: c, Type: c.Type})
		}
	}
	return &fetched{rows: b.s.server.rowPlan(&found, formats), orgs: make([]string, len(found.Outputs))}
}

// fits tells whether a RowDescription is one of a statement's outputs.
func fits(st *rewrite.Statement, body []byte, offsets []int, columnOf func(i int) (*policy.Column, bool)) bool {
	if len(st.Outputs) == 0 || st.NumOutputs != len(offsets) {
		return false
	}
	for i := range st.Outputs {
		o := &st.Outputs[i]
		if !describesSealed(binary.BigEndian.Uint32(body[offsets[o.Index]+6:]), o.Array) {
			return false
		}
		if c, known := columnOf(o.Index); known && c != o.Column {
			return false
		}
	}
	return true
}
