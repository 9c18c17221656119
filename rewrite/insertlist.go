package rewrite

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// What pgseal writes into an INSERT: the list of the columns, where the client leaves it
// out, so that no change of the table can lead a value into another column than it was
// sealed for; and the session's org, where the client names none.

// listColumns writes the column list of an INSERT without one, for the given number of
// values. Postgres takes the columns in order, as many as there are values.
func (r *resolver) listColumns(s *pg.InsertStmt, row *insertRow) {
	if len(s.Cols) > 0 || row.relation == nil || len(row.targets) == 0 || !row.relation.CarriesSealed() {
		return
	}
	names := make([]string, 0, len(row.targets)+1)
	for i := range row.targets {
		names = append(names, quoteIdentifier(row.targets[i].name))
	}
	if row.session && row.org < 0 {
		names = append(names, quoteIdentifier(orgColumn(row.relation).Name))
	}
	last, ok := r.insertTarget(s)
	if !ok {
		r.refuseForm(row.firstSealed(), s.Relation.Location)
		return
	}
	end := int(r.tokens[last].End)
	r.st.Edits = append(r.st.Edits, Edit{end, end, " (" + strings.Join(names, ", ") + ")"})
}

// narrow leaves those targets of an INSERT without a column list that there are values
// for.
func (row *insertRow) narrow(s *pg.InsertStmt, values int) {
	if len(s.Cols) > 0 || values >= len(row.targets) {
		return
	}
	row.targets = row.targets[:values]
	if row.org >= values {
		row.org = -1
	}
}

// writeSessionOrg adds the org column, with the session's org in every row, to an
// INSERT that has no place for it.
func (r *resolver) writeSessionOrg(s *pg.InsertStmt, row *insertRow) {
	if !row.session || row.org >= 0 || r.refusal != nil {
		return
	}
	column := orgColumn(row.relation)
	behind, ok := r.insertTarget(s)
	if ok && len(s.Cols) > 0 {
		open, t := r.next(behind)
		if behind, ok = r.closing(open); t != pg.Token_ASCII_40 {
			ok = false
		}
		if ok {
			at := int(r.tokens[behind].Start)
			r.st.Edits = append(r.st.Edits, Edit{at, at, ", " + quoteIdentifier(column.Name)})
		}
	}
	var places []int
	if ok {
		places, ok = r.rowEnds(behind, s.SelectStmt.GetSelectStmt())
	}
	if !ok {
		r.refuseNoOrg(row.firstSealed(), s.Relation.Location, "The org column "+column.Name+" is not among the columns that are inserted, and pgseal cannot add it to this form of query.",
			"Insert "+column.Name+" too.")
		return
	}
	for _, at := range places {
		r.writeOrg(at, ", ", row.known, "")
	}
}

// insertTarget gives the last token of the target's name and alias.
func (r *resolver) insertTarget(s *pg.InsertStmt) (last int, ok bool) {
	last, ok = r.nameTokens(r.tokenAt(s.Relation.Location))
	if !ok || s.Relation.Alias == nil {
		return last, ok
	}
	as, t := r.next(last)
	if t != pg.Token_AS {
		return 0, false
	}
	name, _ := r.next(as)
	return r.nameTokens(name)
}

// nameTokens gives the last token of a qualified name that begins at one.
func (r *resolver) nameTokens(first int) (last int, ok bool) {
	for last = first; ; {
		if last < 0 || last >= len(r.tokens) {
			return 0, false
		}
		if uescape, t := r.next(last); t == pg.Token_UESCAPE {
			last, _ = r.next(uescape)
		}
		dot, t := r.next(last)
		if t != pg.Token_ASCII_46 {
			return last, last < len(r.tokens)
		}
		last, _ = r.next(dot)
	}
}

// closing gives the token that closes the bracket at one.
func (r *resolver) closing(open int) (end int, ok bool) {
	depth := 0
	for i := open; i < len(r.tokens); i++ {
		switch r.tokens[i].Token {
		case pg.Token_ASCII_40, pg.Token_ASCII_91:
			depth++
		case pg.Token_ASCII_41, pg.Token_ASCII_93:
			if depth--; depth == 0 {
				return i, true
			}
		}
	}
	return 0, false
}

// rowEnds gives the places in the text where the rows that a query gives end: of each
// row of VALUES, or the one output list. Before is the token that the query follows.
func (r *resolver) rowEnds(before int, s *pg.SelectStmt) (places []int, ok bool) {
	at, t := r.next(before)
	for ; t == pg.Token_ASCII_40; at, t = r.next(at) { // a query in brackets
	}
	depth := 0
	for ; at < len(r.tokens) && depth >= 0; at, t = r.next(at) {
		switch t {
		case pg.Token_ASCII_40:
			depth++
		case pg.Token_ASCII_41:
			depth--
		case pg.Token_VALUES:
			if depth == 0 && len(s.ValuesLists) > 0 {
				return r.valuesEnds(at, len(s.ValuesLists))
			}
		case pg.Token_SELECT:
			if depth > 0 {
				continue
			}
			end, behind := r.listEnd(at)
			places, at = append(places, end), behind
		}
	}
	return places, len(places) == arms(s)
}

// arms is the number of queries that UNION makes one of.
func arms(s *pg.SelectStmt) int {
	if s.Larg != nil {
		return arms(s.Larg) + arms(s.Rarg)
	}
	return 1
}

func (r *resolver) valuesEnds(values, rows int) (places []int, ok bool) {
	for at := values; len(places) < rows; {
		open, t := r.next(at)
		end, closed := r.closing(open)
		if t != pg.Token_ASCII_40 || !closed {
			return nil, false
		}
		places = append(places, int(r.tokens[end].Start))
		at, _ = r.next(end) // the comma
	}
	return places, true
}

// listEnd gives the place where the output list of a SELECT ends, and its last token.
// The words that may follow it are reserved: outside of brackets they can stand within
// it only behind a dot or AS, and in IS DISTINCT FROM and WITHIN GROUP.
func (r *resolver) listEnd(at int) (end, last int) {
	if distinct, t := r.next(at); t == pg.Token_DISTINCT {
		if on, t := r.next(distinct); t == pg.Token_ON {
			open, _ := r.next(on)
			if behind, ok := r.closing(open); ok {
				at = behind
			}
		}
	}
	depth, before := 0, pg.Token_SELECT
	for last = at; ; {
		next, t := r.next(last)
		switch t {
		case pg.Token_ASCII_40, pg.Token_ASCII_91:
			depth++
		case pg.Token_ASCII_41, pg.Token_ASCII_93:
			depth--
		}
		if depth < 0 || t == pg.Token_NUL || t == pg.Token_ASCII_59 || depth == 0 && endsList(t, before) {
			return int(r.tokens[last].End), last
		}
		last, before = next, t
	}
}

func endsList(t, before pg.Token) bool {
	if before == pg.Token_ASCII_46 || before == pg.Token_AS {
		return false
	}
	switch t {
	case pg.Token_FROM:
		return before != pg.Token_DISTINCT
	case pg.Token_GROUP_P:
		return before != pg.Token_WITHIN
	case pg.Token_WHERE, pg.Token_HAVING, pg.Token_WINDOW, pg.Token_ORDER, pg.Token_LIMIT, pg.Token_OFFSET, pg.Token_FETCH, pg.Token_FOR,
		pg.Token_UNION, pg.Token_INTERSECT, pg.Token_EXCEPT, pg.Token_ON, pg.Token_RETURNING:
		return true
	}
	return false
}
