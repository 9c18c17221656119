package rewrite

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/internal/catalog"
	"github.com/pgseal/pgseal/policy"
)

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

// alterTable resolves ALTER TABLE and its kin.
func (r *resolver) alterTable(s *pg.AlterTableStmt) {
	rel := r.relation(s.Relation)
	if rel == nil {
		switch {
		case s.MissingOk && addsNothing(s.Cmds): // pg_restore --if-exists
		case r.policyTable(s.Relation.Schemaname, s.Relation.Relname) != nil:
			r.targetRelation(s.Relation) // refused: a column could be declared in plain
		default:
			r.foreignKeys(s.Cmds)
		}
		return
	}
	sealed := rel.CarriesSealed() || rel.Policy != nil
	r.altersTable(s, rel)
	sc := r.relationScope(rel, s.Relation)
	for _, n := range s.Cmds {
		cmd := n.GetAlterTableCmd()
		if cmd == nil {
			continue
		}
		r.touchesAny(n) // foreign keys, partitions, parents
		switch {
		case isHarmless(cmd.Subtype):
		case !sealed:
			r.constraint(cmd.Def.GetConstraint(), sc)
			for _, k := range cmd.Def.GetColumnDef().GetConstraints() {
				r.constraint(k.GetConstraint(), sc)
			}
		default:
			r.alterSealed(cmd, rel, sc, s.Relation.Location)
		}
	}
}

// addsNothing tells whether commands can put nothing where plaintext would lie.
func addsNothing(cmds []*pg.Node) bool {
	for _, n := range cmds {
		t := n.GetAlterTableCmd().GetSubtype()
		if t != pg.AlterTableType_AT_DropColumn && !isHarmless(t) {
			return false
		}
	}
	return true
}

// foreignKeys looks at what the commands of a relation that is not known refer to.
func (r *resolver) foreignKeys(cmds []*pg.Node) {
	sc := &scope{items: []*item{{result: result{open: true}}}}
	for _, n := range cmds {
		r.constraint(n.GetAlterTableCmd().GetDef().GetConstraint(), sc)
	}
}

// alterSealed resolves a command that could change a sealed column.
func (r *resolver) alterSealed(cmd *pg.AlterTableCmd, rel *catalog.Relation, sc *scope, location int32) {
	var c *policy.Column
	misconfigured := false
	if i := fieldNamed(sc.items[0].fields, cmd.Name); i >= 0 { // of a view, too
		c, misconfigured = sc.items[0].fields[i].column, sc.items[0].fields[i].misconfigured
		location = r.nameFrom(location, cmd.Name, pg.Token_ALTER, pg.Token_COLUMN, pg.Token_DROP, pg.Token_EXISTS)
	}
	switch cmd.Subtype {
	case pg.AlterTableType_AT_AddColumn:
		d := cmd.Def.GetColumnDef()
		if rel.Policy != nil {
			for _, column := range rel.Policy.Columns { // they may not be in the database yet
				if rel.Column(column.Name) == nil {
					sc.items[0].fields = append(sc.items[0].fields, field{name: column.Name, value: value{column: column, location: d.Location}})
				}
			}
		}
		r.columnDef(d, rel.Policy, sc)
		if rel.Policy != nil && rel.Policy.Column(d.Colname) != nil && !isSealedType(d.TypeName) && !cmd.MissingOk {
			r.storeApart(d)
		}
	case pg.AlterTableType_AT_AddConstraint:
		r.constraint(cmd.Def.GetConstraint(), sc)
	case pg.AlterTableType_AT_DropColumn:
		if rel.Policy != nil && c == nil && inPolicy(rel.Policy, cmd.Name) {
			r.refuse(ddlChange, location, "column "+cmd.Name+" tells the org of sealed rows and cannot be dropped",
				"The policy of "+rel.Policy.QualifiedName()+" names it.", "Change the policy first.")
		}
	case pg.AlterTableType_AT_ColumnDefault:
		switch {
		case c == nil || cmd.Def == nil:
		case isNull(cmd.Def):
			r.resetDefault(cmd.Def)
		default:
			r.refuseDefault(c, location)
		}
		r.expr(cmd.Def, sc, inDefault)
	case pg.AlterTableType_AT_AlterColumnType:
		d := cmd.Def.GetColumnDef()
		switch {
		case c != nil && !misconfigured && r.keepsType(d, c):
			return
		case c != nil:
			r.refuseColumn(ddlChange, location, c, "cannot change its type", "Its values would no longer be sealed.", "Add a new column to the policy and the table, and move the values through pgseal.")
		case inPolicy(rel.Policy, cmd.Name):
			r.checkOrgType(&pg.ColumnDef{Colname: cmd.Name, TypeName: d.GetTypeName(), Location: location}, rel.Policy)
		}
		r.expr(d.GetRawDefault(), sc, inUsingType)
	case pg.AlterTableType_AT_SetStatistics:
		if n := cmd.Def.GetInteger(); c != nil && n.GetIval() > 0 { // 0 is none, -1 the default
			r.refuseColumn(ddlConstraint, location, c, "cannot have statistics",
				"What is stored differs each time that a value is sealed, so there is nothing to count. "+notSearchableDetail, "Set it to 0.")
		}
	case pg.AlterTableType_AT_AddIdentity, pg.AlterTableType_AT_SetIdentity, pg.AlterTableType_AT_DropIdentity, pg.AlterTableType_AT_DropExpression:
		if c != nil {
			r.refuseColumn(ddlConstraint, location, c, "cannot be an identity column", "The server would store its values in plain.", "Leave the column out of it.")
		}
	default:
		r.refuse(ddlChange, location, "this change of "+rel.Schema+"."+rel.Name+" is not supported",
			"The relation has sealed columns, and pgseal cannot tell that they stay sealed.", "Change the policy first, or use another form of ALTER TABLE.")
	}
}

// keepsType tells whether a type change of a sealed column changes nothing, and then
// makes it one to the type that is stored. Migration tools send such.
func (r *resolver) keepsType(d *pg.ColumnDef, c *policy.Column) bool {
	typ, ok := typeOf(d.TypeName)
	if !ok || !declaredAs(typ, c.Type) {
		return false
	}
	first := r.tokenAt(d.TypeName.Location)
	if first < 0 {
		return false
	}
	last, ok := r.typeTokens(first)
	if !ok {
		return false
	}
	end := r.tokens[last].End
	if d.RawDefault != nil { // USING column::type
		tc := d.RawDefault.GetTypeCast()
		ref := tc.GetArg().GetColumnRef()
		cast, ok := typeOf(tc.GetTypeName())
		if ref == nil || len(ref.Fields) != 1 || ref.Fields[0].GetString_().GetSval() != c.Name || !ok || !declaredAs(cast, c.Type) {
			return false
		}
		at := r.tokenAt(tc.TypeName.Location)
		if at < 0 {
			return false
		}
		if last, ok = r.typeTokens(at); !ok {
			return false
		}
		if i, t := r.next(last); t == pg.Token_ASCII_41 {
			last = i // (column::type), CAST(column AS type)
		}
		end = r.tokens[last].End
	}
	r.st.Edits = append(r.st.Edits, Edit{Start: int(r.tokens[first].Start), End: int(end), Text: "pgseal.sealed"})
	return true
}

// resetDefault makes DROP DEFAULT of SET DEFAULT NULL; see dropDefault.
func (r *resolver) resetDefault(null *pg.Node) {
	at, ok := r.nullSpan(null)
	if !ok {
		return
	}
	word, t := r.previous(r.tokenAt(int32(at.start)))
	set, s := r.previous(word)
	if t == pg.Token_DEFAULT && s == pg.Token_SET {
		r.st.Edits = append(r.st.Edits, Edit{Start: int(r.tokens[set].Start), End: at.end, Text: "DROP DEFAULT"})
	}
}

// rename refuses to give a sealed table, its sealed columns or its org column
// another name, and another relation theirs: the policy names them.
func (r *resolver) rename(s *pg.RenameStmt) {
	if s.RenameType == pg.ObjectType_OBJECT_SCHEMA {
		for _, t := range r.snapshot.Policy().Tables {
			if t.Schema == s.Subname || t.Schema == s.Newname {
				r.touches = true
				r.refuseRename(t, r.nameFrom(int32(r.st.Start), s.Subname, pg.Token_SCHEMA))
			}
		}
	}
	if s.Relation == nil {
		return
	}
	rel := r.relation(s.Relation)
	switch s.RenameType {
	case pg.ObjectType_OBJECT_TABLE, pg.ObjectType_OBJECT_VIEW, pg.ObjectType_OBJECT_MATVIEW, pg.ObjectType_OBJECT_FOREIGN_TABLE:
		if own := ownPolicy(rel); own != nil {
			r.refuseRename(own, s.Relation.Location)
		}
		schema := s.Relation.Schemaname
		if rel != nil {
			schema = rel.Schema
		}
		if t := r.policyTable(schema, s.Newname); t != nil {
			r.touch(s.Relation.Location)
			r.refuseRename(t, s.Relation.Location)
		}
	case pg.ObjectType_OBJECT_COLUMN, pg.ObjectType_OBJECT_ATTRIBUTE:
		if rel == nil || rel.Policy == nil {
			return
		}
		if inPolicy(rel.Policy, s.Subname) || inPolicy(rel.Policy, s.Newname) {
			r.refuseRename(rel.Policy, s.Relation.Location)
		}
	}
}

// ownPolicy is the policy's table that a relation itself is, not an ancestor.
func ownPolicy(rel *catalog.Relation) *policy.Table {
	if rel != nil && rel.Policy != nil && rel.Policy.Name == rel.Name && rel.Policy.Schema == rel.Schema {
		return rel.Policy
	}
	return nil
}

func (r *resolver) refuseRename(t *policy.Table, location int32) {
	r.refuse(ddlChange, location, "a name that the policy of "+t.QualifiedName()+" depends on cannot change",
		"pgseal finds sealed tables, their sealed columns and their org column by name.", "Change the policy, with context: set to what it is now, and rename at the same time.")
}

func (r *resolver) setSchema(s *pg.AlterObjectSchemaStmt) {
	if s.Relation == nil {
		r.refuseTouching(s.Object, "ALTER … SET SCHEMA")
		return
	}
	rel := r.relation(s.Relation)
	if own := ownPolicy(rel); own != nil {
		r.refuseRename(own, s.Relation.Location)
	}
	if t := r.policyTable(s.Newschema, s.Relation.Relname); t != nil {
		r.refuseRename(t, s.Relation.Location)
	}
}
