package rewrite

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"

	"github.com/pgseal/pgseal/internal/catalog"
)

// utility resolves a statement that reads and writes no rows. Those that can do
// no harm to a sealed relation are listed; any other that names one is refused.
func (r *resolver) utility(n *pg.Node) {
	r.ddl = true
	into := n.GetCreateTableAsStmt()
	r.reads.kept = into == nil || into.Objtype != pg.ObjectType_OBJECT_TABLE
	switch n.GetNode().(type) {
	case *pg.Node_CreateStmt, *pg.Node_IndexStmt, *pg.Node_CreateStatsStmt, *pg.Node_CreatePolicyStmt, *pg.Node_AlterPolicyStmt,
		*pg.Node_DropStmt, *pg.Node_CommentStmt, *pg.Node_GrantStmt, *pg.Node_AlterOwnerStmt, *pg.Node_TruncateStmt, *pg.Node_VacuumStmt,
		*pg.Node_CreatePublicationStmt, *pg.Node_AlterPublicationStmt:
		r.defines = true
	}
	switch s := n.GetNode().(type) {
	case *pg.Node_TransactionStmt, *pg.Node_VariableSetStmt, *pg.Node_ListenStmt, *pg.Node_NotifyStmt, *pg.Node_UnlistenStmt,
		*pg.Node_CheckPointStmt, *pg.Node_ConstraintsSetStmt:
		r.ddl = false
	case *pg.Node_LockStmt, *pg.Node_VacuumStmt, *pg.Node_TruncateStmt, *pg.Node_CommentStmt, *pg.Node_GrantStmt, *pg.Node_GrantRoleStmt,
		*pg.Node_SecLabelStmt, *pg.Node_ReindexStmt, *pg.Node_ClusterStmt, *pg.Node_RefreshMatViewStmt:
		r.ddl = false
		r.touchesAny(n)
	case *pg.Node_DropStmt, *pg.Node_AlterOwnerStmt, *pg.Node_CreateSeqStmt, *pg.Node_AlterSeqStmt, *pg.Node_AlterDefaultPrivilegesStmt:
		r.touchesAny(n)
		r.touches = true // DROP names its objects in lists, which are not looked up
	case *pg.Node_CreateStmt:
		r.createTable(s.CreateStmt)
	case *pg.Node_CreateForeignTableStmt:
		r.newRelation(s.CreateForeignTableStmt.GetBaseStmt().GetRelation())
		r.refuseTouching(n, "CREATE FOREIGN TABLE")
	case *pg.Node_CreateTableAsStmt:
		r.createTableAs(s.CreateTableAsStmt)
	case *pg.Node_ViewStmt:
		r.newRelation(s.ViewStmt.View)
		r.shows = !showsNothing(r.query(s.ViewStmt.Query, &scope{}))
	case *pg.Node_AlterTableStmt:
		r.alterTable(s.AlterTableStmt)
	case *pg.Node_RenameStmt:
		r.rename(s.RenameStmt)
	case *pg.Node_AlterObjectSchemaStmt:
		r.setSchema(s.AlterObjectSchemaStmt)
	case *pg.Node_IndexStmt:
		r.index(s.IndexStmt)
	case *pg.Node_CreateStatsStmt:
		r.statistics(s.CreateStatsStmt)
	case *pg.Node_CreateTrigStmt:
		r.trigger(s.CreateTrigStmt)
	case *pg.Node_CreatePolicyStmt:
		sc := r.tableScope(s.CreatePolicyStmt.Table)
		r.expr(s.CreatePolicyStmt.Qual, sc, inRowPolicy)
		r.expr(s.CreatePolicyStmt.WithCheck, sc, inRowPolicy)
	case *pg.Node_AlterPolicyStmt:
		sc := r.tableScope(s.AlterPolicyStmt.Table)
		r.expr(s.AlterPolicyStmt.Qual, sc, inRowPolicy)
		r.expr(s.AlterPolicyStmt.WithCheck, sc, inRowPolicy)
	case *pg.Node_CreatePublicationStmt:
		r.published(s.CreatePublicationStmt.Pubobjects)
	case *pg.Node_AlterPublicationStmt:
		r.published(s.AlterPublicationStmt.Pubobjects)
	case *pg.Node_CreateFunctionStmt:
		if s.CreateFunctionStmt.SqlBody != nil {
			r.refuseTouching(s.CreateFunctionStmt.SqlBody, "a function's SQL body")
		}
		r.functionBody(s.CreateFunctionStmt)
	default:
		r.refuseTouching(n, statementName(n))
	}
}

// showsNothing tells whether rows have nothing that is sealed, nor an org that could be changed.
func showsNothing(res result) bool {
	return !res.open && !slices.ContainsFunc(res.fields, func(f field) bool { return f.column != nil || f.orphan || len(f.orgOf) > 0 })
}

// statementName names a kind of statement that is refused on sealed relations.
func statementName(n *pg.Node) string {
	switch n.GetNode().(type) {
	case *pg.Node_RuleStmt:
		return "CREATE RULE"
	case *pg.Node_CreateSchemaStmt:
		return "CREATE SCHEMA with what is in it"
	case *pg.Node_ImportForeignSchemaStmt:
		return "IMPORT FOREIGN SCHEMA"
	}
	return "this kind of statement"
}

// refuseTouching refuses what names a sealed relation.
func (r *resolver) refuseTouching(n proto.Message, what string) {
	if v := r.touchesAny(n); v != nil {
		e := r.refuseStatement(what+" that names "+v.Relname, v.Location)
		e.Schema, e.Table = v.Schemaname, v.Relname
	}
}

// nameFrom is the place where a name is written, from a place on: the tree does not
// tell it. Words it is to stand behind may be given.
func (r *resolver) nameFrom(location int32, name string, behind ...pg.Token) int32 {
	i, _ := slices.BinarySearchFunc(r.tokens, location, func(t *pg.ScanToken, at int32) int { return int(t.Start - at) })
	for ; i < len(r.tokens) && int(r.tokens[i].End) <= r.st.End; i, _ = r.next(i) {
		if !r.isName(i, name) {
			continue
		}
		if _, before := r.previous(i); len(behind) == 0 || slices.Contains(behind, before) {
			return r.tokens[i].Start
		}
	}
	return location
}

// tableScope is the scope of expressions that belong to a relation.
func (r *resolver) tableScope(v *pg.RangeVar) *scope {
	return r.relationScope(r.relation(v), v)
}

func (r *resolver) relationScope(rel *catalog.Relation, v *pg.RangeVar) *scope {
	if rel == nil {
		return definitionScope(r.policyTable(v.Schemaname, v.Relname), v)
	}
	return &scope{items: []*item{single(r.newEntry(rel, v.Location), v.Alias)}}
}

func (r *resolver) index(s *pg.IndexStmt) {
	sc := r.tableScope(s.Relation)
	for _, list := range [][]*pg.Node{s.IndexParams, s.IndexIncludingParams} {
		for _, n := range list {
			r.definedOn(n.GetIndexElem().GetName(), sc, s.Relation.Location, inIndex)
			r.expr(n.GetIndexElem().GetExpr(), sc, inIndex)
		}
	}
	r.expr(s.WhereClause, sc, inIndex)
}

// definedOn refuses a definition that names a sealed column, from a place on.
func (r *resolver) definedOn(name string, sc *scope, location int32, where clause) {
	if name == "" {
		return
	}
	if v, _ := r.unqualified(name, sc); v.column != nil {
		v.location, v.whole = r.nameFrom(location, name), false
		r.refuseUse(v, where)
	}
}

// published resolves a publication's tables; what is published is sealed.
func (r *resolver) published(list []*pg.Node) {
	for _, n := range list {
		t := n.GetPublicationObjSpec().GetPubtable()
		if t.GetRelation() == nil {
			r.touchesAny(n)
			continue
		}
		r.expr(t.WhereClause, r.tableScope(t.Relation), inPublication)
	}
}

func (r *resolver) statistics(s *pg.CreateStatsStmt) {
	for _, n := range s.Relations {
		v := n.GetRangeVar()
		if v == nil {
			r.refuseTouching(n, "CREATE STATISTICS")
			continue
		}
		sc := r.tableScope(v)
		for _, e := range s.Exprs {
			r.definedOn(e.GetStatsElem().GetName(), sc, int32(r.st.Start), inStatistics)
			r.expr(e.GetStatsElem().GetExpr(), sc, inStatistics)
		}
	}
}

// trigger resolves CREATE TRIGGER: its WHEN may not look at a sealed column.
func (r *resolver) trigger(s *pg.CreateTrigStmt) {
	rel := r.relation(s.Relation)
	if s.Constrrel != nil {
		r.relation(s.Constrrel)
	}
	if rel == nil || s.WhenClause == nil {
		return
	}
	before, after := r.newEntry(rel, s.Relation.Location), r.newEntry(rel, s.Relation.Location)
	before.name, after.name = "old", "new"
	before.schema, after.schema = "", ""
	r.expr(s.WhenClause, &scope{items: []*item{{entries: []*entry{before, after}}}}, inTrigger)
}

func (r *resolver) createTableAs(s *pg.CreateTableAsStmt) {
	what := "CREATE TABLE AS"
	if s.Objtype == pg.ObjectType_OBJECT_MATVIEW {
		what = "a materialized view"
	}
	r.newRelation(s.Into.GetRel())
	if e := s.Query.GetExecuteStmt(); e != nil {
		r.execute(e, true)
		r.st.Execute.stores, r.st.NumOutputs = what, 0
		return
	}
	r.storedElsewhere(r.query(s.Query, &scope{}), what)
}

// storedElsewhere refuses a query with sealed outputs whose rows make a table.
func (r *resolver) storedElsewhere(res result, what string) {
	if f := res.sealed(); f != nil {
		r.refuseColumn(copiedElsewhere, f.location, f.column, "cannot be stored by "+what,
			"A sealed value opens only in its own column and org.", "Leave the column out, or create the table and insert the values through pgseal.")
	}
}

// newRelation refuses to create one of the policy's tables as anything but a
// table whose columns are declared.
func (r *resolver) newRelation(v *pg.RangeVar) {
	if v == nil {
		return
	}
	if t := r.createdTable(v); t != nil {
		r.touch(v.Location)
		r.refuse(ddlChange, v.Location, "table "+t.QualifiedName()+" has sealed columns and must be created by CREATE TABLE",
			"The policy names it, so its columns' types must be declared.", "Use CREATE TABLE with a column list.")
	}
}
