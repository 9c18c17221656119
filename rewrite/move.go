package rewrite

import (
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/internal/catalog"
	"github.com/pgseal/pgseal/policy"
)

// An assignment of the org column may move the row to another org, where the sealed
// columns that are not assigned with it would not open. Mappers assign it to what it is
// already, so the statement is not refused: it is made to fail at a row whose org would
// change and that has a value in one of those columns.

// checkMove holds the rows, where the statement may give them another org, to the sealed
// columns that it leaves as they are.
func (a *assignments) checkMove(written []*policy.Column) {
	if a.moved.Kind == OrgUnknown || a.relation == nil {
		return
	}
	if o := targetOrigin(a.entry); o != nil && o.org == a.moved {
		return // WHERE demands the same org
	}
	var stay []*policy.Column
	for _, c := range tableOf(a.relation).Columns {
		if c.Policy != nil && !slices.Contains(written, c.Policy) {
			stay = append(stay, c.Policy)
		}
	}
	if len(stay) > 0 && !a.holdMove(stay) {
		a.refuseColumn(orgMoves, a.entry.at(), stay[0], "would stay sealed for the row's old org",
			"The statement assigns the org column and not this one.", "Assign every sealed column of the row together with its org.")
	}
}

// holdMove writes, around what is assigned to the org column, what makes the statement
// fail at a row that would be moved away from a value of a column that stays. What is
// assigned is compared as the org column's type, by its text: by a collation of the
// column's own, other orgs might be equal. There the statement computes a value that
// the type pgseal.sealed refuses, and the proxy knows the error by that.
func (a *assignments) holdMove(stay []*policy.Column) bool {
	column := orgColumn(a.relation)
	at, ok := a.valueSpan(a.orgValue)
	typ, known := orgTypeNames[column.TypeOID]
	if !ok || !known {
		return false
	}
	org := "(" + a.text[at.start:at.end] + ")::" + typ
	var b strings.Builder
	b.WriteString("(CASE WHEN " + a.targetReference(column) + " IS NOT DISTINCT FROM " + org)
	if column.TypeOID == oidText || column.TypeOID == oidVarchar {
		b.WriteString(` COLLATE pg_catalog."C"`)
	}
	if empty := a.allNull(stay); empty != "" {
		b.WriteString(" OR " + empty)
	}
	b.WriteString(" THEN (")
	a.st.Edits = append(a.st.Edits, Edit{at.start, at.start, b.String()},
		Edit{at.end, at.end, ")::" + typ + ` ELSE pg_catalog.encode('\x'::pgseal.sealed, 'hex')::` + typ + " END)"})
	a.st.Held = &Held{Column: stay[0], At: a.positions.at(locationOf(a.orgValue, -1)), Moves: true}
	return true
}

// checkBelow refuses to change the org, by way of a relation that does not show them, of
// rows that have sealed columns: of tables that inherit from it. A view's columns may
// have other names, so nothing is assigned through one.
func (r *resolver) checkBelow(v *pg.RangeVar, list []*pg.Node) {
	rel := r.lookUp(v)
	if rel == nil || !v.Inh {
		return
	}
	for _, below := range rel.Below {
		for _, n := range list {
			t := n.GetResTarget()
			if t == nil || !rel.IsView() && t.Name != below.OrgColumn.Name {
				continue
			}
			i := slices.IndexFunc(below.Columns, func(c *catalog.Column) bool { return c.Policy != nil })
			if i < 0 {
				continue
			}
			r.refuseColumn(orgMoves, t.Location, below.Columns[i].Policy, "would stay sealed for the row's old org",
				"Rows of "+below.Schema+"."+below.Name+" are rows of "+rel.Schema+"."+rel.Name+" too, which does not show the column.",
				"Update "+below.Schema+"."+below.Name+" itself, and UPDATE ONLY the other one.")
			return
		}
	}
}

// allNull is the condition that all of the columns are NULL, empty where the relation is
// a view that does not show all of them.
func (a *assignments) allNull(columns []*policy.Column) string {
	var terms []string
	for _, c := range columns {
		i := slices.IndexFunc(a.relation.Columns, func(shown *catalog.Column) bool { return shown.Policy == c })
		if i < 0 {
			return ""
		}
		terms = append(terms, a.targetReference(a.relation.Columns[i])+" IS NULL")
	}
	return strings.Join(terms, " AND ")
}

// targetReference names a column of the row that is changed.
func (a *assignments) targetReference(column *catalog.Column) string {
	if a.excluded != nil { // ON CONFLICT knows the table by its name or alias alone
		return quoteIdentifier(a.entry.name) + "." + quoteIdentifier(column.Name)
	}
	return a.entry.reference(column)
}

// rowPart is the value that an element of (a, b) = (x, y) is assigned; other
// values as they are.
func rowPart(val *pg.Node) *pg.Node {
	if m := val.GetMultiAssignRef(); m != nil {
		if row := m.Source.GetRowExpr(); row != nil && int(m.Colno) >= 1 && int(m.Colno) <= len(row.Args) && !expands(row.Args) {
			return row.Args[m.Colno-1]
		}
	}
	return val
}
