package rewrite

import (
	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/internal/catalog"
)

// function makes the item of a function in FROM. What it returns is not known, and is
// not sealed, unless the statement lists its columns or the catalog knows it to return
// the rows of a relation with sealed columns.
func (r *resolver) function(f *pg.RangeFunction, lateral *scope) *item {
	if it := r.unnest(f, lateral); it != nil {
		return it
	}
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
	if columns := scalarColumns(f); columns != nil && len(e.fields) == 0 {
		e.fields, e.open = columns, false
	}
	if f.Alias == nil && len(f.Functions) == 1 {
		if call := f.Functions[0].GetList().GetItems(); len(call) > 0 {
			e.name = outputName(call[0])
		}
	}
	return single(e, f.Alias)
}

// scalarFunctions are set-returning functions of pg_catalog whose rows have one column,
// with the name of their OUT parameter where they have one. Another function that a name
// stands for instead returns no sealed column either: rowsOf is asked before. Then only
// the count of the result's columns is wrong, which is held to what the server says.
var scalarFunctions = map[string]string{
	"generate_series": "", "generate_subscripts": "", "unnest": "", "string_to_table": "", "regexp_split_to_table": "", "json_object_keys": "",
	"jsonb_object_keys": "", "json_array_elements": "value", "json_array_elements_text": "value", "jsonb_array_elements": "value",
	"jsonb_array_elements_text": "value",
}

// scalarColumns are the columns of a call of one of scalarFunctions
// (chooseScalarFunctionAlias), nil of anything else.
func scalarColumns(f *pg.RangeFunction) []field {
	if len(f.Functions) != 1 || len(f.Coldeflist) > 0 {
		return nil
	}
	items := f.Functions[0].GetList().GetItems()
	if len(items) == 0 || items[0].GetFuncCall() == nil {
		return nil
	}
	call := items[0].GetFuncCall()
	name, system := functionName(call)
	column, known := scalarFunctions[name]
	if !known || !system || name == "unnest" && !ofScalars(call.Args) {
		return nil
	}
	switch {
	case column != "":
	case f.Alias != nil:
		column = f.Alias.Aliasname
	default:
		column = name
	}
	fields := []field{{name: column}}
	if f.Ordinality {
		fields = append(fields, field{name: "ordinality"})
	}
	return fields
}

// ofScalars tells whether unnest's arguments are one array, and not of rows.
func ofScalars(args []*pg.Node) bool {
	if len(args) != 1 {
		return false
	}
	if list := args[0].GetAArrayExpr(); list != nil {
		for _, n := range list.Elements {
			if n.GetAConst() == nil && n.GetParamRef() == nil {
				return false
			}
		}
		return true
	}
	t, ok := typeOf(args[0].GetTypeCast().GetTypeName())
	return ok && t.Array
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
