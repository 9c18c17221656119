package rewrite

import (
	"cmp"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/pgexpr"
	"github.com/pgseal/pgseal/policy"
)

// Cursor is what a statement does with a cursor of SQL. Cursors share their names with
// the portals of the extended protocol.
type Cursor struct {
	Op    CursorOp
	Name  string    // empty: all (CLOSE ALL, DISCARD ALL)
	Hold  bool      // WITH HOLD: it outlives its transaction
	Query Statement // of DECLARE: what FETCH returns, and whether that is pure

	before *earlier // of FETCH: what earlier statements of the text may have changed; nil: nothing
}

// CursorOp is a kind of statement on cursors.
type CursorOp uint8

const (
	DeclaresCursor CursorOp = iota + 1
	FetchesCursor
	MovesCursor
	ClosesCursor
)

// Bits of DeclareCursorStmt.options (CURSOR_OPT_… in parsenodes.h).
const cursorHold = 0x0020

// declareCursor resolves DECLARE. Its parameters are those of the message.
func (r *resolver) declareCursor(s *pg.DeclareCursorStmt) {
	r.computes = true
	r.outputs(r.query(s.Query, &scope{}))
	r.noComputedParams("DECLARE")
	q := s.Query.GetSelectStmt()
	r.st.Cursor = &Cursor{
		Op: DeclaresCursor, Name: s.Portalname, Hold: s.Options&cursorHold != 0,
		Query: Statement{NumOutputs: r.st.NumOutputs, Outputs: r.st.Outputs, Pure: q != nil && pure(q.ProtoReflect())},
	}
	r.st.NumOutputs, r.st.Outputs = 0, nil
}

// fetchCursor resolves FETCH and MOVE. What they return only the session knows.
func (r *resolver) fetchCursor(s *pg.FetchStmt) {
	c := &Cursor{Op: FetchesCursor, Name: s.Portalname, before: r.before.kept()}
	r.st.NumOutputs, r.st.Raw = -1, r.env.Raw
	if s.Ismove {
		c.Op, r.st.NumOutputs = MovesCursor, 0
	}
	r.st.Cursor = c
}

// Check refuses to open a column of what a FETCH returns when an earlier statement of
// the same text may have changed how its values are written. Ran tells that one of
// them called functions.
func (c *Cursor) Check(column *policy.Column, steps []pgexpr.Step, ran bool) *pgerr.Error {
	before := earlier{}
	if c.before != nil {
		before = *c.before
	}
	before.ran = ran
	return cmp.Or(before.ofValue(column.Type, true), before.ofSteps(steps))
}

// Column tells what the policy has for a column of a relation, as RowDescription names
// them: nil when it is not sealed, or not known to be. Known is false for a relation
// that the snapshot does not have.
func (rw *Rewriter) Column(relation uint32, number int16) (column *policy.Column, known bool) {
	rel := rw.snapshot.ByOID(relation)
	if rel == nil {
		return nil, false
	}
	for i, c := range rel.Columns {
		switch {
		case c.Num != number:
		case !c.Sealed:
			return nil, true
		case rel.IsView():
			if f := rw.viewResult(rel, nil).fields[i]; !f.misconfigured && !f.doubtful && !f.whole {
				return f.column, true
			}
			return nil, true
		default:
			return c.Policy, true
		}
	}
	return nil, true
}
