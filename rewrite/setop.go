package rewrite

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// setOperation resolves UNION, INTERSECT and EXCEPT. Only UNION ALL hands its
// arms' columns on without comparing them; then each arm must have the same
// sealed column, or NULL, at a position.
func (r *resolver) setOperation(s *pg.SelectStmt, sc *scope, o selectOptions) result {
	left := r.selectStmt(s.Larg, sc, selectOptions{})
	if q := o.recursive; q != nil {
		q.firstArm(left)
	}
	right := r.selectStmt(s.Rarg, sc, selectOptions{})

	if s.Op != pg.SetOperation_SETOP_UNION || !s.All {
		for _, arm := range []result{left, right} {
			if f := arm.sealed(); f != nil {
				r.refuseUse(f.value, inSetOp)
			}
		}
	}
	out := result{open: left.open || right.open}
	origins := make(map[[2]*origin]*origin)
	recursive := o.recursive != nil && o.recursive.selfNamed
	out.fields = make([]field, min(len(left.fields), len(right.fields)))
	for i := range out.fields {
		a, b := left.fields[i], right.fields[i]
		out.fields[i] = r.union(a, b, origins)
		if recursive || s.Op != pg.SetOperation_SETOP_UNION || !s.All {
			out.fields[i].cells = nil // read by itself, or compared
		}
		if recursive && (a.column != b.column || a.madeOtherwise(&b.value)) {
			r.refuseArms(a, b) // NULL in the first arm was taken for a plain column by the second
		}
	}
	for i := range out.fields {
		for pair, o := range origins {
			if slices.Contains(left.fields[i].orgOf, pair[0]) && slices.Contains(right.fields[i].orgOf, pair[1]) {
				out.fields[i].orgOf = append(out.fields[i].orgOf, o)
			}
		}
	}
	return out
}

// union is the column that two arms make. It has a type modifier only where both have
// (select_common_typmod).
func (r *resolver) union(a, b field, origins map[[2]*origin]*origin) field {
	name := a.name
	switch {
	case a.column == nil && b.column == nil:
		f := field{name: name, value: value{null: a.null && b.null, orphan: a.orphan || b.orphan, location: a.location}}
		if a.cells != nil && b.cells != nil {
			f.cells = a.cells.followed(b.cells)
		}
		return f
	case a.column == nil && a.null:
		a = b
		a.unmodified = true
	case b.column == nil && b.null:
		a.unmodified = true
	case a.column != b.column || a.misconfigured != b.misconfigured || a.madeOtherwise(&b.value):
		r.refuseArms(a, b)
	case a.origin != b.origin && a.origin != nil && b.origin != nil:
		pair := [2]*origin{a.origin, b.origin}
		if origins[pair] == nil {
			o := &origin{table: a.origin.table, typeOID: a.origin.typeOID}
			if a.origin.org == b.origin.org {
				o.org = a.origin.org
			}
			if a.origin.typeOID != b.origin.typeOID {
				o.typeOID = 0
			}
			origins[pair] = o
		}
		a.origin = origins[pair]
	case a.origin != b.origin:
		a.origin = nil
	}
	a.unmodified = a.unmodified || b.unmodified
	a.name, a.orgOf, a.wanted, a.null = name, nil, a.wanted && b.wanted, a.null && b.null
	return a
}

func (r *resolver) refuseArms(a, b field) {
	f := a
	if f.column == nil {
		f = b
	}
	r.refuseColumn(setOperation, f.location, f.column, "meets something else in another arm of UNION ALL",
		"A column of the result is either that sealed column in every arm or sealed in none.",
		"Select the same column in each arm, or NULL where there is none.")
}
