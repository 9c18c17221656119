package rewrite

import (
	"unicode/utf8"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/policy"
)

// anchor names the section of docs/errors.md that explains a kind of refusal.
type anchor string

// The kinds of refusals. Each has a section in docs/errors.md.
const (
	notSearchable       anchor = "not-searchable"        // a clause would compare, sort or group sealed values
	notComputable       anchor = "not-computable"        // an expression would compute on a sealed column
	wholeRow            anchor = "whole-row"             // a row is used as one value, and a column of it is sealed
	setOperation        anchor = "set-operation"         // an arm has a sealed column where another has something else
	copiedElsewhere     anchor = "copied-elsewhere"      // a sealed value would be stored in another column
	notAValue           anchor = "not-a-value"           // what is assigned is no parameter or literal
	otherType           anchor = "other-type"            // what is assigned is cast to another type than the column's
	literalForm         anchor = "literal-form"          // a literal is written in a form whose end is not sure
	orgMissing          anchor = "org-missing"           // the statement does not tell the row's org
	orgForm             anchor = "org-form"              // the org is told in a form that pgseal can't read
	orgMoves            anchor = "org-moves"             // the org changes and a sealed column does not
	sharedParameter     anchor = "shared-parameter"      // a parameter is sealed in one place and not in another
	misconfiguredColumn anchor = "misconfigured-column"  // the database and the policy disagree about a column
	viewWrite           anchor = "view-write"            // a write through a view with sealed columns
	viewComputes        anchor = "view-computes"         // a view's own query uses a sealed column in a refused way
	unknownColumns      anchor = "unknown-columns"       // the result's columns can't be counted
	ambiguousName       anchor = "ambiguous-name"        // a name may stand for a sealed column, or for something else
	copyOption          anchor = "copy-option"           // a COPY option that pgseal does not do
	ddlType             anchor = "ddl-type"              // a column is declared with another type than the policy's
	ddlConstraint       anchor = "ddl-constraint"        // an index, constraint, default or the like on a sealed column
	ddlChange           anchor = "ddl-change"            // a change of a sealed table that would make the policy wrong
	ddlThenUse          anchor = "ddl-then-use"          // a text changes the catalog and then needs it
	unsupportedStmt     anchor = "unsupported-statement" // a kind of statement that is not done on sealed relations
	sqlPrepare          anchor = "sql-prepare"           // an EXECUTE whose arguments cannot be sealed
	tooDeep             anchor = "too-deep"              // the text is nested too deep to be parsed
	cannotRead          anchor = "cannot-read"           // the session's settings make the text mean something else
	rawMode             anchor = "raw-mode"              // raw mode is not for this user
	internalError       anchor = "internal-error"        // pgseal failed to plan the statement
)

const notSearchableDetail = "The policy has it searchable: false."

// positions counts a text's characters up to byte offsets in it. It counts on from
// the last one, so that all the offsets of a long text cost one walk over it.
type positions struct {
	text             string
	offset, position int // the last ones, from 0
}

// at counts characters from 1, as Postgres does; location is a byte offset at the
// start of a character. It is 0 where there is no such place.
func (p *positions) at(location int32) int {
	to := int(location)
	if to < 0 || to > len(p.text) {
		return 0
	}
	if to >= p.offset {
		p.position += utf8.RuneCountInString(p.text[p.offset:to])
	} else {
		p.position -= utf8.RuneCountInString(p.text[to:p.offset])
	}
	p.offset = to
	return p.position + 1
}

// refuse refuses the statement; the first refusal stays.
func (r *resolver) refuse(a anchor, location int32, message, detail, hint string) *pgerr.Error {
	e := &pgerr.Error{
		Code: pgerr.FeatureNotSupported, Message: message, Detail: detail, Hint: hint,
		Anchor: string(a), Position: r.positions.at(location),
	}
	if r.refusal == nil {
		r.refusal = e
	}
	return e
}

// refuseColumn refuses a use of a sealed column. What completes the sentence
// "sealed column public.spans.attributes …".
func (r *resolver) refuseColumn(a anchor, location int32, c *policy.Column, what, detail, hint string) {
	e := r.refuse(a, location, "sealed column "+c.QualifiedName()+" "+what, detail, hint)
	e.Schema, e.Table, e.Column = c.Table.Schema, c.Table.Name, c.Name
}

// refuseUse refuses a sealed column in a clause that would compute on it.
func (r *resolver) refuseUse(v value, clause clause) {
	a, hint := notSearchable, "Search by a column that is not sealed, or select the rows and compare in the application."
	switch {
	case clause.defines:
		a, hint = ddlConstraint, "Leave the sealed column out of it."
	case clause.computes:
		a, hint = notComputable, "Select the column as it is and compute in the application."
	}
	if v.whole {
		r.refuseColumn(wholeRow, v.location, v.column, "cannot be used as part of a whole row in "+clause.name,
			"The row is used as one value, and this column of it is sealed. "+notSearchableDetail,
			"Name the columns one by one.")
		return
	}
	detail := notSearchableDetail
	if clause.defines {
		detail = "What is stored differs each time that a value is sealed, so nothing can be compared, sorted or computed by it. " + detail
	}
	r.refuseColumn(a, v.location, v.column, "cannot be used in "+clause.name, detail, hint)
}

// clause is where an expression stands, for messages.
type clause struct {
	name     string
	computes bool // it computes a result; otherwise it searches, sorts or groups
	defines  bool // it is part of a table's definition
}

var (
	inOutput     = clause{name: "an expression of the output list", computes: true}
	inValues     = clause{name: "VALUES", computes: true}
	inSet        = clause{name: "an expression of SET", computes: true}
	inFunction   = clause{name: "a function in FROM", computes: true}
	inWhere      = clause{name: "WHERE"}
	inWhen       = clause{name: "WHEN of MERGE"}
	inJoin       = clause{name: "a JOIN condition"}
	inUsing      = clause{name: "JOIN USING"}
	inNatural    = clause{name: "NATURAL JOIN"}
	inGroupBy    = clause{name: "GROUP BY"}
	inOrderBy    = clause{name: "ORDER BY"}
	inDistinct   = clause{name: "DISTINCT"}
	inHaving     = clause{name: "HAVING"}
	inWindow     = clause{name: "WINDOW"}
	inLimit      = clause{name: "LIMIT"}
	inConflict   = clause{name: "ON CONFLICT"}
	inComparison = clause{name: "a comparison with a subquery"}
	inArray      = clause{name: "an ARRAY of a subquery", computes: true}
	inSetOp      = clause{name: "UNION, INTERSECT or EXCEPT"}
	inCycle      = clause{name: "SEARCH or CYCLE"}
	inSample     = clause{name: "TABLESAMPLE", computes: true}
	inExpression = clause{name: "an expression", computes: true}

	inCheck       = clause{name: "a CHECK constraint", defines: true}
	inPrimaryKey  = clause{name: "a PRIMARY KEY", defines: true}
	inUnique      = clause{name: "a UNIQUE constraint", defines: true}
	inExclusion   = clause{name: "an EXCLUDE constraint", defines: true}
	inForeignKey  = clause{name: "a foreign key", defines: true}
	inGenerated   = clause{name: "a generated column", defines: true}
	inDefault     = clause{name: "a default", defines: true}
	inIndex       = clause{name: "an index", defines: true}
	inStatistics  = clause{name: "extended statistics", defines: true}
	inTrigger     = clause{name: "a trigger's WHEN", defines: true}
	inRowPolicy   = clause{name: "a row security policy", defines: true}
	inPublication = clause{name: "a publication's WHERE", defines: true}
	inPartition   = clause{name: "PARTITION BY", defines: true}
	inUsingType   = clause{name: "the USING of a type change", defines: true}
)

// refuseStatement refuses a kind of statement on a sealed relation.
func (r *resolver) refuseStatement(what string, location int32) *pgerr.Error {
	return r.refuse(unsupportedStmt, location, what+" is not supported on relations with sealed columns",
		"pgseal does not follow sealed values through it.", "Use INSERT, UPDATE, DELETE or SELECT.")
}

func refuseDo() *pgerr.Error {
	return &pgerr.Error{
		Code: pgerr.FeatureNotSupported, Message: "a DO block that names a relation with sealed columns is not supported",
		Detail: "Its body is run by the server, so pgseal can neither seal nor open in it.",
		Hint:   "Send the statements of the block one by one.", Anchor: string(unsupportedStmt),
	}
}
