package rewrite

import (
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

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
		if rel := r.relation(v); rel != nil && rel.Policy != nil && table == nil {
			table = rel.Policy // rows of a partition or child are sealed as the parent's
		}
	}
	for _, n := range s.TableElts {
		if like := n.GetTableLikeClause(); like != nil {
			// The domain comes along, so that only sealed values fit there.
			r.relation(like.Relation)
			if own != nil {
				r.refuse(ddlType, like.Relation.Location, "table "+own.QualifiedName()+" has sealed columns and cannot be created by LIKE",
					"The columns' types must be declared.", "List the columns.")
			}
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
	for _, n := range s.Partspec.GetPartParams() {
		r.definedOn(n.GetPartitionElem().GetName(), sc, s.Relation.Location, inPartition)
		r.expr(n.GetPartitionElem().GetExpr(), sc, inPartition)
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

// columnDef resolves a column's declaration. One of the policy's must have the
// policy's type, which is replaced, and nothing that computes on its values.
func (r *resolver) columnDef(d *pg.ColumnDef, t *policy.Table, sc *scope) {
	var c *policy.Column
	if t != nil {
		c = t.Column(d.Colname)
	}
	for _, n := range d.Constraints {
		r.columnConstraint(n.GetConstraint(), c, d, sc)
	}
	r.expr(d.RawDefault, sc, inDefault)
	if c == nil {
		if t != nil && t.Org.Kind == policy.OrgFromColumn && t.Org.Value == d.Colname {
			r.checkOrgType(d, t)
		}
		return
	}
	r.dropCollation(d.CollClause)
	if d.RawDefault != nil && !isNull(d.RawDefault) {
		r.refuseDefault(c, d.Location)
	}
	if d.TypeName != nil { // nil for a partition's column options
		r.sealType(d.TypeName, c, d.StorageName != "")
	}
}

// dropCollation takes a COLLATE clause away: bytea has none, and nothing compares
// sealed values.
func (r *resolver) dropCollation(k *pg.CollateClause) {
	if k == nil {
		return
	}
	first := r.tokenAt(k.Location)
	if first < 0 || r.tokens[first].Token != pg.Token_COLLATE {
		return
	}
	last := first
	for i := range k.Collname {
		if i > 0 {
			last, _ = r.next(last)
		}
		last, _ = r.next(last)
	}
	if last < len(r.tokens) {
		r.drop(first, last)
	}
}

// drop takes tokens out of the text, and the space before them.
func (r *resolver) drop(first, last int) {
	r.st.Edits = append(r.st.Edits, Edit{Start: int(r.tokens[first-1].End), End: int(r.tokens[last].End)})
}

// dropDefault takes DEFAULT NULL away, which says nothing: the server would keep it
// as one of the stored type's.
func (r *resolver) dropDefault(k *pg.Constraint) {
	first := r.tokenAt(k.Location)
	at, ok := r.nullSpan(k.RawExpr)
	if !ok || first < 0 || r.tokens[first].Token != pg.Token_DEFAULT {
		return
	}
	r.st.Edits = append(r.st.Edits, Edit{Start: int(r.tokens[first-1].End), End: at.end})
}

// nullSpan is the range of a NULL that may be cast.
func (r *resolver) nullSpan(n *pg.Node) (span, bool) {
	if tc := n.GetTypeCast(); tc != nil {
		return r.castSpan(tc)
	}
	first, last, ok := r.constantTokens(n.GetAConst().GetLocation())
	if !ok {
		return span{}, false
	}
	first, last = r.brackets(first, last, len(r.tokens))
	return r.between(first, last), true
}

// checkOrgType notices an org column of a type that no org can be read from.
func (r *resolver) checkOrgType(d *pg.ColumnDef, t *policy.Table) {
	if typ, ok := typeOf(d.TypeName); d.TypeName != nil && ok && !knownOrgType(typ.OID()) {
		r.refuse(ddlType, d.Location, "org column "+t.QualifiedName()+"."+d.Colname+" is of a type that pgseal cannot read an org from", "",
			"Make it text, character varying, smallint, integer, bigint or uuid.")
	}
}

// sealType replaces a declared type by pgseal.sealed. Sealed values do not compress:
// from version 16 on, where CREATE TABLE can say so, the server is told not to try.
func (r *resolver) sealType(name *pg.TypeName, c *policy.Column, stored bool) {
	if isSealedType(name) {
		return
	}
	declared, ok := typeOf(name)
	if !ok || !declaredAs(declared, c.Type) {
		r.refuseColumn(ddlType, name.Location, c, "is declared as "+r.typeText(name)+", not as the policy's "+c.Type.String(),
			"pgseal replaces the policy's type by the one that sealed values are stored as.", "Declare it as "+c.Type.String()+", or change the policy.")
		return
	}
	first := r.tokenAt(name.Location)
	if first < 0 {
		r.refuseForm(c, name.Location)
		return
	}
	last, ok := r.typeTokens(first)
	if !ok {
		r.refuseForm(c, name.Location)
		return
	}
	at := r.between(first, last)
	r.st.Edits = append(r.st.Edits, Edit{Start: at.start, End: at.end, Text: r.sealedType(stored)})
}

// typeText is a type's name as it is written.
func (r *resolver) typeText(name *pg.TypeName) string {
	first := r.tokenAt(name.Location)
	if first < 0 {
		return "another type"
	}
	last, ok := r.typeTokens(first)
	if !ok {
		last = first
	}
	at := r.between(first, last)
	return r.text[at.start:at.end]
}

func (r *resolver) sealedType(stored bool) string {
	if stored || r.snapshot.ServerVersion < 160000 {
		return "pgseal.sealed"
	}
	return "pgseal.sealed STORAGE EXTERNAL"
}

func isNull(n *pg.Node) bool {
	if tc := n.GetTypeCast(); tc != nil {
		n = tc.Arg
	}
	return n.GetAConst().GetIsnull()
}

func (r *resolver) refuseDefault(c *policy.Column, location int32) {
	r.refuseColumn(ddlConstraint, location, c, "cannot have a default other than NULL",
		"The server would store it in plain.", "Give the value in each INSERT.")
}

// columnConstraint resolves a constraint that stands at a column.
func (r *resolver) columnConstraint(k *pg.Constraint, c *policy.Column, d *pg.ColumnDef, sc *scope) {
	if k == nil {
		return
	}
	if c == nil {
		r.constraint(k, sc)
		return
	}
	switch k.Contype {
	case pg.ConstrType_CONSTR_NULL, pg.ConstrType_CONSTR_NOTNULL:
	case pg.ConstrType_CONSTR_DEFAULT:
		if !isNull(k.RawExpr) {
			r.refuseDefault(c, k.Location)
			return
		}
		r.dropDefault(k)
	default:
		r.refuseColumn(ddlConstraint, k.Location, c, "cannot have this constraint", notSearchableDetail, "NOT NULL is all that a sealed column can have.")
	}
}

// constraint resolves a constraint that is not at a sealed column.
func (r *resolver) constraint(k *pg.Constraint, sc *scope) {
	if k == nil {
		return
	}
	where := inCheck
	switch k.Contype {
	case pg.ConstrType_CONSTR_DEFAULT:
		where = inDefault
	case pg.ConstrType_CONSTR_GENERATED:
		where = inGenerated
	}
	r.expr(k.RawExpr, sc, where)
	r.expr(k.WhereClause, sc, inKey)
	for _, list := range [][]*pg.Node{k.Keys, k.Including, k.FkAttrs, k.FkDelSetCols} {
		for _, n := range list {
			r.definedOn(n.GetString_().GetSval(), sc, k.Location, inKey)
		}
	}
	for _, n := range k.Exclusions {
		for _, part := range n.GetList().GetItems() {
			r.definedOn(part.GetIndexElem().GetName(), sc, k.Location, inKey)
			r.expr(part.GetIndexElem().GetExpr(), sc, inKey)
		}
	}
	if k.Pktable != nil {
		referenced := r.tableScope(k.Pktable)
		for _, n := range k.PkAttrs {
			r.definedOn(n.GetString_().GetSval(), referenced, k.Location, inKey)
		}
	}
}

// inPolicy tells whether a name is one that a table's policy depends on.
func inPolicy(t *policy.Table, name string) bool {
	return t != nil && (t.Column(name) != nil || t.Org.Kind == policy.OrgFromColumn && t.Org.Value == name)
}

// harmless are ALTER TABLE's commands that cannot harm a sealed column, whatever
// column they name.
var harmless = []pg.AlterTableType{
	pg.AlterTableType_AT_DropNotNull, pg.AlterTableType_AT_SetNotNull, pg.AlterTableType_AT_SetOptions, pg.AlterTableType_AT_ResetOptions,
	pg.AlterTableType_AT_SetStorage, pg.AlterTableType_AT_SetCompression, pg.AlterTableType_AT_AlterConstraint, pg.AlterTableType_AT_ValidateConstraint,
	pg.AlterTableType_AT_DropConstraint, pg.AlterTableType_AT_ChangeOwner, pg.AlterTableType_AT_ClusterOn, pg.AlterTableType_AT_DropCluster,
	pg.AlterTableType_AT_SetLogged, pg.AlterTableType_AT_SetUnLogged, pg.AlterTableType_AT_SetAccessMethod, pg.AlterTableType_AT_SetTableSpace,
	pg.AlterTableType_AT_SetRelOptions, pg.AlterTableType_AT_ResetRelOptions,
	pg.AlterTableType_AT_EnableTrig, pg.AlterTableType_AT_EnableAlwaysTrig, pg.AlterTableType_AT_EnableReplicaTrig, pg.AlterTableType_AT_DisableTrig,
	pg.AlterTableType_AT_EnableTrigAll, pg.AlterTableType_AT_DisableTrigAll, pg.AlterTableType_AT_EnableTrigUser, pg.AlterTableType_AT_DisableTrigUser,
	pg.AlterTableType_AT_EnableRule, pg.AlterTableType_AT_EnableAlwaysRule, pg.AlterTableType_AT_EnableReplicaRule, pg.AlterTableType_AT_DisableRule,
	pg.AlterTableType_AT_AddInherit, pg.AlterTableType_AT_DropInherit, pg.AlterTableType_AT_AttachPartition,
	pg.AlterTableType_AT_DetachPartition, pg.AlterTableType_AT_DetachPartitionFinalize, pg.AlterTableType_AT_ReplicaIdentity,
	pg.AlterTableType_AT_EnableRowSecurity, pg.AlterTableType_AT_DisableRowSecurity, pg.AlterTableType_AT_ForceRowSecurity, pg.AlterTableType_AT_NoForceRowSecurity,
}

func isHarmless(t pg.AlterTableType) bool { return slices.Contains(harmless, t) }
