package rewrite

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/policy"
)

// earlier is what statements before one in the same text may have changed.
// pgseal learns of it only when the whole text is done, so a statement that
// depends on it is refused.
type earlier struct {
	sealedDDL bool            // the catalog, where sealed relations are concerned
	path      bool            // search_path, or which of its schemas there are
	relations bool            // which relations there are
	made      map[string]bool // the names of relations that were made

	settings settingsChanged
}

// settingsChanged are the settings that values and orgs depend on.
type settingsChanged struct {
	any      bool            // all may have changed
	named    map[string]bool // these have, by their names in lower case
	readings bool            // how dates and times are read and written
	encoding bool            // client_encoding
}

func (c *settingsChanged) set(name string) {
	switch name {
	case "":
		c.any = true // RESET ALL
	case "timezone", "datestyle", "intervalstyle":
		c.readings = true
	case "client_encoding":
		c.encoding = true
	}
	if c.named == nil {
		c.named = make(map[string]bool)
	}
	c.named[name] = true
}

// note is told of a statement.
func (b *earlier) note(n *pg.Node, r *resolver) {
	if r.ddl && r.touches {
		b.sealedDDL = true
	}
	if r.calls {
		b.path, b.settings.any = true, true
	}
	switch s := n.Node.(type) {
	case *pg.Node_VariableSetStmt:
		name := strings.ToLower(s.VariableSetStmt.Name)
		b.settings.set(name)
		if name == "" || name == "search_path" || name == "role" || name == "session_authorization" {
			b.path = true
		}
	case *pg.Node_TransactionStmt:
		switch s.TransactionStmt.Kind { // SET LOCAL ends with the transaction, SET is undone
		case pg.TransactionStmtKind_TRANS_STMT_BEGIN, pg.TransactionStmtKind_TRANS_STMT_START,
			pg.TransactionStmtKind_TRANS_STMT_SAVEPOINT, pg.TransactionStmtKind_TRANS_STMT_RELEASE:
		default:
			b.path = true
			b.settings.any = b.settings.any || r.env.LocalSettings
		}
	case *pg.Node_DiscardStmt, *pg.Node_DoStmt, *pg.Node_CallStmt, *pg.Node_ExecuteStmt, *pg.Node_FetchStmt:
		b.path, b.settings.any = true, true
	case *pg.Node_CreateSchemaStmt:
		b.path, b.relations = true, true // it may have tables in it
	case *pg.Node_DropStmt:
		b.path = b.path || s.DropStmt.RemoveType == pg.ObjectType_OBJECT_SCHEMA
		b.relations = true
	case *pg.Node_RenameStmt:
		b.path = b.path || s.RenameStmt.RenameType == pg.ObjectType_OBJECT_SCHEMA
		b.makes(s.RenameStmt.Newname)
	case *pg.Node_CreateStmt:
		b.makes(s.CreateStmt.Relation.GetRelname())
	case *pg.Node_ViewStmt:
		b.makes(s.ViewStmt.View.GetRelname())
	case *pg.Node_CreateTableAsStmt:
		b.makes(s.CreateTableAsStmt.Into.GetRel().GetRelname())
	case *pg.Node_SelectStmt:
		if into := s.SelectStmt.IntoClause; into != nil {
			b.makes(into.Rel.GetRelname())
		}
	case *pg.Node_AlterObjectSchemaStmt:
		b.relations = true
	}
}

func (b *earlier) makes(name string) {
	b.relations = true
	if b.made == nil {
		b.made = make(map[string]bool)
	}
	b.made[name] = true
}

// check refuses a statement whose values are read, written or sealed by a
// setting that may have changed.
func (b *earlier) check(r *resolver) {
	if r.refusal != nil {
		return
	}
	for i := range r.st.Params {
		b.checkOrg(r, &r.st.Params[i].Org)
	}
	for i := range r.st.Literals {
		l := &r.st.Literals[i]
		b.checkOrg(r, &l.Org)
		b.checkValue(r, l.Column, false)
	}
	for i := range r.st.Outputs {
		b.checkValue(r, r.st.Outputs[i].Column, true)
	}
	if c := r.st.Copy; c != nil {
		for i := range c.Fields {
			if f := &c.Fields[i]; f.Column != nil {
				b.checkOrg(r, &f.Org)
				b.checkValue(r, f.Column, true)
			}
		}
	}
}

func (b *earlier) checkOrg(r *resolver, org *OrgRef) {
	if org.Kind == OrgSetting && (b.settings.any || b.settings.named[strings.ToLower(org.Value)]) {
		r.refuseSetting(org.Value)
	}
}

func (b *earlier) checkValue(r *resolver, c *policy.Column, converted bool) {
	switch {
	case (b.settings.any || b.settings.readings) && readBySettings(c.Type):
		r.refuseSetting("TimeZone or DateStyle")
	case b.settings.encoding && converted:
		r.refuseSetting("client_encoding")
	}
}

// readBySettings tells whether the text of a type's values depends on settings.
func readBySettings(t policy.Type) bool {
	switch t.Kind {
	case policy.Date, policy.Time, policy.TimeTZ, policy.Timestamp, policy.TimestampTZ, policy.Interval:
		return true
	}
	return false
}

func (r *resolver) refuseSetting(name string) {
	r.refuse(ddlThenUse, -1, "an earlier statement of the same text may change "+name+", which this statement's sealed values depend on",
		"pgseal reads the session's settings between texts, not between the statements of one.", "Send the statements one by one.")
}
