package rewrite

import (
	"maps"
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/pgseal/pgseal/internal/catalog"
	"github.com/pgseal/pgseal/policy"
)

// Migrations come as one text: tables are made and altered, then indexed, filled and
// read. A table of the policy that the text itself makes, column by column, is known
// from the text, and so is a column that it adds. Should the statement fail, the
// server does none of those behind it. Whatever else changes a sealed relation makes
// its name unknown to the rest of the text.

// made is what statements of a text did to relations with sealed columns.
type made struct {
	known   map[[2]string]*catalog.Relation // by schema and name: as the text has made them
	unknown map[string]bool                 // names of those that were changed otherwise
}

func (m *made) any() bool { return len(m.known)+len(m.unknown) > 0 }

func (m *made) clone() made { return made{maps.Clone(m.known), maps.Clone(m.unknown)} }

func (m *made) add(rel *catalog.Relation) {
	if m.known == nil {
		m.known = make(map[[2]string]*catalog.Relation)
	}
	m.known[[2]string{rel.Schema, rel.Name}] = rel
	delete(m.unknown, rel.Name)
}

func (m *made) forget(name string) {
	if m.unknown == nil {
		m.unknown = make(map[string]bool)
	}
	m.unknown[name] = true
	for key := range m.known {
		if key[1] == name {
			delete(m.known, key)
		}
	}
}

// relations are those of a name, as they are at this place of the text.
func (r *resolver) relations(name string) []*catalog.Relation {
	all := r.snapshot.Relations(name)
	if r.before == nil || len(r.before.made.known) == 0 {
		return all
	}
	all = slices.Clone(all)
	for key, rel := range r.before.made.known {
		if key[1] != name {
			continue
		}
		if i := slices.IndexFunc(all, func(old *catalog.Relation) bool { return old.Schema == rel.Schema }); i >= 0 {
			all[i] = rel
		} else {
			all = append(all, rel)
		}
	}
	return all
}

// relationIn finds one of them by its schema.
func (r *resolver) relationIn(schema, name string) *catalog.Relation {
	for _, rel := range r.relations(name) {
		if rel.Schema == schema {
			return rel
		}
	}
	return nil
}

// makesTable notes a table of the policy that CREATE TABLE makes, if its columns are
// all in the statement.
func (r *resolver) makesTable(s *pg.CreateStmt, own *policy.Table) {
	if s.IfNotExists {
		if rel := r.relationIn(own.Schema, own.Name); rel != nil {
			r.made = rel // nothing is done
			return
		}
		r.needCatalog()
	}
	if len(s.InhRelations) > 0 || s.OfTypename != nil {
		return
	}
	rel := &catalog.Relation{Schema: own.Schema, Name: own.Name, Kind: 'r', Policy: own}
	if s.Partspec != nil {
		rel.Kind = 'p'
	}
	for _, n := range s.TableElts {
		switch e := n.GetNode().(type) {
		case *pg.Node_ColumnDef:
			rel.Columns = append(rel.Columns, r.declared(e.ColumnDef, own, len(rel.Columns)))
		case *pg.Node_TableLikeClause:
			return
		}
	}
	r.makes(rel)
}

// makes notes a relation that the statement makes. Its keys are not known.
func (r *resolver) makes(rel *catalog.Relation) {
	rel.Keys = nil
	if rel.Policy != nil && rel.Policy.Org.Kind == policy.OrgFromColumn {
		rel.OrgColumn = rel.Column(rel.Policy.Org.Value)
	}
	r.made = rel
}

// declared is the column that a declaration makes.
func (r *resolver) declared(d *pg.ColumnDef, own *policy.Table, before int) *catalog.Column {
	c := &catalog.Column{Name: d.Colname, Num: int16(before + 1)}
	if own != nil {
		c.Policy = own.Column(d.Colname)
	}
	if c.Policy != nil {
		c.Sealed, c.TypeOID = true, r.snapshot.SealedOID
		return c
	}
	if t, ok := typeOf(d.TypeName); ok {
		c.TypeOID = t.OID()
	}
	for _, n := range d.Constraints {
		c.Generated = c.Generated || n.GetConstraint().GetContype() == pg.ConstrType_CONSTR_GENERATED
	}
	return c
}

// altersTable notes what ALTER TABLE makes of a table, if it only adds columns and
// such as change none.
func (r *resolver) altersTable(s *pg.AlterTableStmt, rel *catalog.Relation) {
	after := *rel
	after.Columns = slices.Clone(rel.Columns)
	for _, n := range s.Cmds {
		cmd := n.GetAlterTableCmd()
		switch d := cmd.GetDef().GetColumnDef(); {
		case changesParents(cmd.GetSubtype()):
			return
		case isHarmless(cmd.GetSubtype()) || keepColumns[cmd.GetSubtype()]:
		case cmd.GetSubtype() == pg.AlterTableType_AT_AlterColumnType:
			if !changesType(&after, cmd.Name, d) {
				return
			}
		case cmd.GetSubtype() != pg.AlterTableType_AT_AddColumn:
			return
		case after.Column(d.GetColname()) == nil:
			after.Columns = append(after.Columns, r.declared(d, rel.Policy, len(after.Columns)))
		case !cmd.MissingOk:
			return
		}
	}
	r.makes(&after)
}

// changesType notes a column's new type, if pgseal knows it. A column of the policy
// stays pgseal.sealed, or its change is refused.
func changesType(rel *catalog.Relation, name string, d *pg.ColumnDef) bool {
	t, known := typeOf(d.GetTypeName())
	i := slices.IndexFunc(rel.Columns, func(c *catalog.Column) bool { return c.Name == name })
	switch {
	case i < 0 || !known:
		return false
	case rel.Columns[i].Sealed:
		return rel.Columns[i].Policy != nil
	}
	changed := *rel.Columns[i]
	changed.TypeOID = t.OID()
	rel.Columns[i] = &changed
	return true
}

var keepColumns = map[pg.AlterTableType]bool{
	pg.AlterTableType_AT_AddConstraint: true, pg.AlterTableType_AT_ColumnDefault: true, pg.AlterTableType_AT_SetStatistics: true,
}

// changesParents tells whether a command makes a table another one's partition or
// child, or makes it none any more.
func changesParents(t pg.AlterTableType) bool {
	switch t {
	case pg.AlterTableType_AT_AddInherit, pg.AlterTableType_AT_DropInherit, pg.AlterTableType_AT_AttachPartition,
		pg.AlterTableType_AT_DetachPartition, pg.AlterTableType_AT_DetachPartitionFinalize:
		return true
	}
	return false
}

// keepsColumns are the statements that leave all relations' columns as they are.
func keepsColumns(n *pg.Node) bool {
	switch n.GetNode().(type) {
	case *pg.Node_IndexStmt, *pg.Node_CreateStatsStmt, *pg.Node_CreateTrigStmt, *pg.Node_CreatePolicyStmt, *pg.Node_AlterPolicyStmt,
		*pg.Node_AlterOwnerStmt, *pg.Node_CreateSeqStmt, *pg.Node_AlterSeqStmt, *pg.Node_AlterDefaultPrivilegesStmt,
		*pg.Node_CreatePublicationStmt, *pg.Node_AlterPublicationStmt:
		return true
	}
	return false
}

// noteMade is told of a statement that defines something.
func (b *earlier) noteMade(n *pg.Node, r *resolver) {
	if s := n.GetTransactionStmt(); s != nil && b.made.any() {
		switch s.Kind {
		case pg.TransactionStmtKind_TRANS_STMT_ROLLBACK, pg.TransactionStmtKind_TRANS_STMT_ROLLBACK_TO, pg.TransactionStmtKind_TRANS_STMT_PREPARE,
			pg.TransactionStmtKind_TRANS_STMT_ROLLBACK_PREPARED:
			b.sealedDDL = true
		}
	}
	if !r.ddl || !r.touches || keepsColumns(n) {
		return
	}
	switch s := n.GetNode().(type) {
	case *pg.Node_CreateStmt:
		takesOver := len(s.CreateStmt.InhRelations) > 0
		for _, e := range s.CreateStmt.TableElts {
			takesOver = takesOver || e.GetTableLikeClause() != nil || isSealedType(e.GetColumnDef().GetTypeName())
		}
		switch {
		case r.made != nil:
			b.made.add(r.made)
		case takesOver:
			b.made.forget(s.CreateStmt.Relation.GetRelname())
		}
	case *pg.Node_AlterTableStmt:
		if r.made != nil {
			b.made.add(r.made)
			return
		}
		b.made.forget(s.AlterTableStmt.Relation.GetRelname())
		for _, cmd := range s.AlterTableStmt.Cmds {
			if changesParents(cmd.GetAlterTableCmd().GetSubtype()) {
				forEachRelation(cmd, func(v *pg.RangeVar) { b.made.forget(v.Relname) })
			}
		}
	case *pg.Node_DropStmt:
		b.sealedDDL = b.sealedDDL || !b.drops(s.DropStmt)
	case *pg.Node_ViewStmt: // its tables stay what they are
		name := s.ViewStmt.View.GetRelname()
		b.sealedDDL = b.sealedDDL || s.ViewStmt.Replace && len(r.relations(name)) > 0 // other views may read it
		if r.shows {
			b.made.forget(name)
		}
	case *pg.Node_CreateTableAsStmt:
		b.made.forget(s.CreateTableAsStmt.Into.GetRel().GetRelname())
	case *pg.Node_SelectStmt:
		b.made.forget(s.SelectStmt.IntoClause.GetRel().GetRelname())
	case *pg.Node_RenameStmt:
		b.sealedDDL = true
		b.made.forget(s.RenameStmt.Newname)
	default:
		b.sealedDDL = true
		forEachRelation(n, func(v *pg.RangeVar) { b.made.forget(v.Relname) })
	}
}

// drops notes which names DROP makes unknown, and tells whether it does no more.
func (b *earlier) drops(s *pg.DropStmt) bool {
	switch s.RemoveType {
	case pg.ObjectType_OBJECT_INDEX, pg.ObjectType_OBJECT_SEQUENCE, pg.ObjectType_OBJECT_TRIGGER, pg.ObjectType_OBJECT_POLICY,
		pg.ObjectType_OBJECT_FUNCTION, pg.ObjectType_OBJECT_STATISTIC_EXT, pg.ObjectType_OBJECT_PUBLICATION:
		return true
	case pg.ObjectType_OBJECT_TABLE, pg.ObjectType_OBJECT_VIEW:
		for _, n := range s.Objects {
			if names := n.GetList().GetItems(); len(names) > 0 {
				b.made.forget(names[len(names)-1].GetString_().GetSval())
			}
		}
		return true
	}
	return false
}

// forEachRelation calls f for all relations that are named in a message.
func forEachRelation(m proto.Message, f func(*pg.RangeVar)) {
	if v, ok := m.(*pg.RangeVar); ok {
		f(v)
		return
	}
	m.ProtoReflect().Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.Message() == nil:
		case fd.IsList():
			for i := range v.List().Len() {
				forEachRelation(v.List().Get(i).Message().Interface(), f)
			}
		default:
			forEachRelation(v.Message().Interface(), f)
		}
		return true
	})
}
