package rewrite

import (
	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/internal/catalog"
)

// function makes the item of a function in FROM. What it returns is not known, and is
// not sealed, unless the statement lists its columns or the catalog knows it to return
// the rows of a relation with sealed columns.
func (r *resolver) function(f *pg.RangeFunction, lateral *scope) *item {
	for _, n := range f.Functions {
		r.expr(n, lateral, inFunction)
	}
	e := &entry{result: result{open: true}}
	if len(f.Coldeflist) > 0 {
		e.open = f.Ordinality
		for _, n := range f.Coldeflist {
			e.fields = append(e.fields, field{name: n.GetColumnDef().GetColname()})
		}
	}
	for _, n := range f.Functions { // several only in ROWS FROM
		call := n.GetList().GetItems()
		if len(call) == 0 {
			continue
		}
		rel := r.rowsOf(call[0].GetFuncCall())
		if rel == nil {
			continue
		}
		rows := r.newEntry(rel, call[0].GetFuncCall().Location)
		e.fields = append(e.fields, rows.fields...)
		e.open = rows.open || len(f.Functions) > 1
		if f.Ordinality && !e.open {
			e.fields = append(e.fields, field{name: "ordinality"})
		}
	}
	if f.Alias == nil && len(f.Functions) == 1 {
		if call := f.Functions[0].GetList().GetItems(); len(call) > 0 {
			e.name = outputName(call[0])
		}
	}
	return single(e, f.Alias)
}

// rowsOf gives the relation with sealed columns whose rows a function returns, nil
// when it returns anything else. The function may make up a row of it, but the values
// in it open only if they were sealed for their column.
func (r *resolver) rowsOf(f *pg.FuncCall) *catalog.Relation {
	if f == nil || len(f.Funcname) == 0 {
		return nil
	}
	name := f.Funcname[len(f.Funcname)-1].GetString_().GetSval()
	all := r.snapshot.Functions(name)
	var found *catalog.Function
	for _, c := range all {
		if len(f.Funcname) > 1 && c.Schema != f.Funcname[len(f.Funcname)-2].GetString_().GetSval() {
			continue
		}
		if found != nil && found.Relation != c.Relation {
			r.touch(f.Location)
			r.refuse(ambiguousName, f.Location, "pgseal cannot tell which function "+name+" is",
				"Several schemas have a function of this name, and one of them returns rows with sealed columns.", "Write the schema before the name.")
			return nil
		}
		found = c
	}
	if found == nil || found.Relation == nil {
		return nil
	}
	r.touch(f.Location)
	return found.Relation
}
