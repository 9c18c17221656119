package rewrite

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/internal/catalog"
	"github.com/pgseal/pgseal/policy"
)

// createdTable is the policy's table that a statement would create, nil when it
// is none. A name without a schema is created in the first schema of
// search_path.
func (r *resolver) createdTable(v *pg.RangeVar) *policy.Table {
	if v.Relpersistence == "t" || strings.HasPrefix(v.Schemaname, "pg_temp") {
		return nil
	}
	if v.Schemaname != "" {
		return r.snapshot.Policy().Table(v.Schemaname, v.Relname)
	}
	candidate := r.policyTable("", v.Relname)
	switch {
	case candidate == nil:
		return nil
	case r.before.searchPath():
		r.refuse(ddlThenUse, v.Location, "an earlier statement of the same text may change where "+v.Relname+" is created",
			"The policy has a table of this name.", "Write the schema before the name, or send the statements one by one.")
		return nil
	case r.env.SearchPath == nil:
		r.needsPath, r.touches = true, true
		return nil
	}
	for _, schema := range r.env.SearchPath {
		if schema != "pg_catalog" && !strings.HasPrefix(schema, "pg_temp") {
			return r.snapshot.Policy().Table(schema, v.Relname)
		}
	}
	return nil
}

// createTable resolves CREATE TABLE. The policy's columns become pgseal.sealed.
func (r *resolver) createTable(s *pg.CreateStmt) {
	own := r.createdTable(s.Relation)
	table := own
	for _, n := range s.InhRelations {
		v := n.GetRangeVar()
		if v == nil {
			continue
		}
		rel := r.relation(v)
		if rel != nil && rel.Policy != nil && table == nil {
			table = rel.Policy // rows of a partition or child are sealed as the parent's
		}
		r.takenOver(rel, own, v, "inherits column")
	}
	for _, n := range s.TableElts {
		if like := n.GetTableLikeClause(); like != nil {
			// The domain comes along, so that only sealed values fit there.
			r.takenOver(r.relation(like.Relation), own, like.Relation, "is created LIKE one with column")
		}
	}
	if own != nil {
		r.touch(s.Relation.Location)
	}
	if s.OfTypename != nil && own != nil {
		r.refuse(ddlType, s.Relation.Location, "table "+own.QualifiedName()+" has sealed columns and cannot be created OF a type", "", "List the columns.")
	}
	sc := definitionScope(table, s.Relation)
	for _, n := range s.TableElts {
		switch e := n.GetNode().(type) {
		case *pg.Node_ColumnDef:
			r.columnDef(e.ColumnDef, table, sc)
		case *pg.Node_Constraint:
			r.constraint(e.Constraint, sc)
		}
	}
	for _, n := range s.Constraints {
		r.constraint(n.GetConstraint(), sc)
	}
	if own != nil {
		r.makesTable(s, own)
	}
	for _, n := range s.Partspec.GetPartParams() {
		r.definedOn(n.GetPartitionElem().GetName(), sc, s.Relation.Location, inPartition)
		r.expr(n.GetPartitionElem().GetExpr(), sc, inPartition)
	}
}

// takenOver refuses a table of the policy that would get one of the policy's columns
// from another relation, where it is not sealed.
func (r *resolver) takenOver(from *catalog.Relation, own *policy.Table, v *pg.RangeVar, how string) {
	switch {
	case own == nil:
		return
	case from == nil:
		r.refuse(ddlType, v.Location, "table "+own.QualifiedName()+" has sealed columns, and pgseal does not know which it gets from "+v.Relname,
			"The columns' types must be declared.", "List the columns.")
		return
	}
	for _, c := range from.Columns {
		if sealed := own.Column(c.Name); sealed != nil && (!c.Sealed || c.Policy != nil && !sameType(c.Policy.Type, sealed.Type)) {
			r.refuseColumn(ddlType, v.Location, sealed, how+" "+c.Name+" of "+from.Schema+"."+from.Name,
				"It does not have the policy's type, sealed, there.", "List the columns.")
		}
	}
}

// definitionScope is the scope of expressions in a table's own definition: the
// policy's columns, and others that don't matter.
func definitionScope(t *policy.Table, v *pg.RangeVar) *scope {
	e := &entry{name: v.Relname, schema: v.Schemaname, result: result{open: true}}
	if t != nil {
		for _, c := range t.Columns {
			e.fields = append(e.fields, field{name: c.Name, value: value{column: c, location: v.Location}})
		}
	}
	return &scope{items: []*item{single(e, nil)}}
}
