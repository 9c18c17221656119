package rewrite

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// reference gives the column's or star's reference that an expression is. Postgres
// takes (t).column and (t).* of a row t in FROM for t.column and t.*
// (ParseComplexProjection, ExpandRowReference). Nil for any other expression.
func (r *resolver) reference(n *pg.Node, sc *scope) *pg.ColumnRef {
	if ref := n.GetColumnRef(); ref != nil {
		return ref
	}
	ind := n.GetAIndirection()
	row := ind.GetArg().GetColumnRef()
	if row == nil || isStar(row) || len(ind.Indirection) != 1 || !sc.namesRow(row) {
		return nil
	}
	part := ind.Indirection[0]
	if part.GetString_() == nil && part.GetAStar() == nil {
		return nil
	}
	return &pg.ColumnRef{Fields: append(slices.Clip(row.Fields), part), Location: row.Location}
}

// namesRow tells whether a reference stands for a whole row of FROM: no column that
// is known, or may be there, goes by that name.
func (s *scope) namesRow(ref *pg.ColumnRef) bool {
	names := make([]string, len(ref.Fields))
	for i, f := range ref.Fields {
		names[i] = f.GetString_().GetSval()
	}
	if len(names) > 1 {
		return s.entry(names) != nil && s.entry(names[:len(names)-1]) == nil
	}
	for at := s; at != nil; at = at.parent {
		for _, it := range at.items {
			if it.open || fieldNamed(it.fields, names[0]) >= 0 {
				return false
			}
		}
	}
	return s.entry(names) != nil
}
