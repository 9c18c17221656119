// Package rewrite decides what pgseal does with a statement: it turns a text
// into a Plan, which says which literals and parameters are to be sealed for
// which column and where their org is found, which result columns are to be
// opened, or why the statement is refused.
//
// It is pure: no I/O, no clock, no keys. The same text, snapshot and Env give
// the same plan. It never builds SQL from the tree; edits are splices into the
// client's own text.
//
// It denies by default: a node of the tree that it has no rule for is walked by
// reflection, and a sealed column found there is refused. What it lets through
// because Postgres is to answer (a relation that does not exist, say) carries no
// plaintext for a sealed column. It does not look into functions and triggers;
// the type pgseal.sealed stands behind those.
//
// Files, by the way that a text goes: scan.go tells from the bytes whether it must
// be planned at all, and words.go which words it can pass by; guard.go bounds how
// deep it nests; planner.go parses it and plans its statements one by one;
// resolver.go keeps what is learned of one, statement.go decides by its kind, and
// earlier.go holds it against those before it. Names: scope.go (columns), names.go (relations), view.go, with.go. Reading:
// select.go, setop.go, from.go, expr.go, outputs.go; compute.go and computeargs.go for what is
// computed after opening, handson.go for expressions that hand a column on. Writing: insert.go,
// insertselect.go, insertlist.go (what is written in), seen.go and unnest.go (values that a
// query hands on), conflict.go, update.go, move.go, delete.go, merge.go, copy.go; viewwrite.go (through views); target.go and literal.go for what is
// assigned, choice.go where one of several values is, types.go for casts and declared
// types, org.go for whose it is and
// sessionorg.go for what the session says of that, setorg.go for where it is told, raw.go for
// values that are sealed already.
// Prepared statements of SQL: prepare.go, and execute.go, whose Bind brings an
// EXECUTE together with what its name stands for in the session.
// Cursors: cursor.go.
// What is read of the catalog: introspect.go, introspectsql.go.
// Definitions: utility.go, create.go, declare.go (columns), constraint.go, alter.go; made.go for
// what a text itself makes. refuse.go has the kinds of
// refusals, which docs/errors.md explains; plan.go the result; splice.go applies
// it. shape.go and template.go: texts that differ in their values alone are planned once;
// scanshape.go: what their values say is not taken for SQL.
package rewrite

import (
	"sync"

	"github.com/pgseal/pgseal/internal/catalog"
)

// Rewriter plans statements under one catalog snapshot (and the policy that the
// snapshot was joined with). It is safe for concurrent use.
type Rewriter struct {
	snapshot *catalog.Snapshot
	limits   Limits
	words    *words
	// orgSettings are the settings whose values the policy's access rules matter for.
	orgSettings []orgSetting
	views       sync.Map // OID -> *viewResult
	written     sync.Map // OID -> *writtenView

	typesOnce sync.Once
	types     *logicalTypes
}

// Limits bound what is parsed.
type Limits struct {
	// MaxNesting bounds operators, JOINs, set operations and brackets together
	// in one text: above it, a text that would have to be parsed is refused with 54001, since
	// the parser's C stack is finite. Postgres's own bound is max_stack_depth.
	MaxNesting int
}

// New makes a Rewriter.
func New(snapshot *catalog.Snapshot, limits Limits) *Rewriter {
	settings := orgSettings(snapshot.Policy())
	return &Rewriter{snapshot: snapshot, limits: limits, words: newWords(snapshot, settings), orgSettings: settings}
}
