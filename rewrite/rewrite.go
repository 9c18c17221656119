// Package rewrite decides what pgseal does with a statement: it turns a text
// into a Plan, which says which literals and parameters are to be sealed for
// which column and where their org is found, which result columns are to be
// opened, or why the statement is refused.
//
// It is pure: no I/O, no clock, no keys. The same text, snapshot and Env give
// the same plan. It never builds SQL from the tree; edits are splices into the
// client's own text.
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
	views    sync.Map // OID -> *viewResult
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
	return &Rewriter{snapshot: snapshot, limits: limits}
}
