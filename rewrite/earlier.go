package rewrite

import (
	"cmp"
	"maps"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/pgexpr"
	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/policy"
)

// earlier is what statements before one in the same text may have changed.
// pgseal learns of it only when the whole text is done, so a statement that
// depends on it is refused.
type earlier struct {
	sealedDDL bool            // the catalog, where sealed relations are concerned
	path      bool            // search_path, or which of its schemas there are
	relations bool            // which relations there are, of any name
	names     map[string]bool // which relations of these names there are
	made      made            // what is known of sealed ones

	settings settingsChanged
	// ran: a prepared statement or cursor ran, whose functions may have changed
	// any setting. Whoever knows what it was can tell better; see Execute.Bind.
	ran bool
	// ended: a transaction has ended, and with it what a function in it may have set.
	ended bool
}

// searchPath tells whether what a name stands for may have changed.
func (b *earlier) searchPath() bool { return b != nil && (b.path || b.ran || b.ended) }

// another tells whether another relation of a name may be there now.
func (b *earlier) another(name string) bool {
	return b != nil && (b.searchPath() || b.relations || b.names[name])
}

// kept is what an EXECUTE or FETCH has to know of the statements before it, nil
// when nothing has changed. It leaves out what other prepared statements and
// cursors did.
func (b *earlier) kept() *earlier {
	if !b.sealedDDL && !b.made.any() && !b.path && !b.relations && len(b.names) == 0 && !b.settings.any && len(b.settings.named) == 0 {
		return nil
	}
	c := *b
	c.ran, c.ended = false, false
	c.names, c.made, c.settings.named = maps.Clone(b.names), b.made.clone(), maps.Clone(b.settings.named)
	c.sealedDDL = c.sealedDDL || b.made.any()
	return &c
}

// settingsChanged are the settings that values and orgs depend on.
type settingsChanged struct {
	any      bool            // all may have changed
	named    map[string]bool // these have, by their names in lower case
	readings bool            // how dates and times are read and written
	encoding bool            // client_encoding
	printing bool            // how the text of some types is written, as far as a SET says so
}

func (c *settingsChanged) set(name string) {
	switch name {
	case "":
		c.any, c.printing = true, true // RESET ALL
	case "timezone", "datestyle", "intervalstyle":
		c.readings = true
	case "client_encoding":
		c.encoding = true
	case "bytea_output", "extra_float_digits":
		c.printing = true
	}
	if c.named == nil {
		c.named = make(map[string]bool)
	}
	c.named[name] = true
}

// note is told of a statement.
func (b *earlier) note(n *pg.Node, r *resolver) {
	b.noteMade(n, r)
	if r.calls && r.st.Prepare == nil { // PREPARE runs nothing yet
		b.path, b.settings.any = true, true
	}
	if r.st.Execute != nil {
		b.ran = true
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
			b.ended = true
			b.path = b.path || r.env.LocalSettings
			b.settings.any = b.settings.any || r.env.LocalSettings
		}
	case *pg.Node_DiscardStmt:
		switch s.DiscardStmt.Target {
		case pg.DiscardMode_DISCARD_PLANS, pg.DiscardMode_DISCARD_SEQUENCES:
		case pg.DiscardMode_DISCARD_TEMP:
			b.relations = true
		default:
			b.path, b.settings.any, b.settings.printing = true, true, true
		}
	case *pg.Node_DoStmt, *pg.Node_CallStmt:
		b.path, b.settings.any = true, true
	case *pg.Node_FetchStmt:
		b.ran = true
	case *pg.Node_CreateSchemaStmt:
		b.path, b.relations = true, true // it may have tables in it
	case *pg.Node_DropStmt:
		b.path = b.path || s.DropStmt.RemoveType == pg.ObjectType_OBJECT_SCHEMA
		b.relations = true
	case *pg.Node_RenameStmt:
		b.path = b.path || s.RenameStmt.RenameType == pg.ObjectType_OBJECT_SCHEMA
		b.makes(s.RenameStmt.Newname)
	case *pg.Node_CreateStmt:
		if r.made == nil {
			b.makes(s.CreateStmt.Relation.GetRelname())
		}
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
	if b.names == nil {
		b.names = make(map[string]bool)
	}
	b.names[name] = true
}

// refusal refuses a statement whose values are read, written or sealed by a
// setting that may have changed.
func (b *earlier) refusal(st *Statement) *pgerr.Error {
	for i := range st.Params {
		if e := b.ofOrg(&st.Params[i].Org); e != nil {
			return e
		}
	}
	for i := range st.Literals {
		l := &st.Literals[i]
		if e := cmp.Or(b.ofOrg(&l.Org), b.ofValue(l.Column.Type, false)); e != nil {
			return e
		}
		if l.Via != nil {
			if e := b.ofValue(*l.Via, false); e != nil {
				return e
			}
		}
	}
	for i := range st.Orgs {
		if e := b.ofOrg(&st.Orgs[i].Org); e != nil {
			return e
		}
	}
	for i := range st.Outputs {
		o := &st.Outputs[i]
		if e := cmp.Or(b.ofValue(o.Column.Type, true), b.ofSteps(o.Steps)); e != nil {
			return e
		}
	}
	if c := st.Copy; c != nil {
		for i := range c.Fields {
			f := &c.Fields[i]
			if f.Column == nil {
				continue
			}
			if e := cmp.Or(b.ofOrg(&f.Org), b.ofValue(f.Column.Type, true), b.ofSteps(f.Steps)); e != nil {
				return e
			}
		}
	}
	return nil
}

func (b *earlier) ofOrg(org *OrgRef) *pgerr.Error {
	if org.Kind == OrgSetting && (b.ran || b.settings.any || b.settings.named[strings.ToLower(org.Value)]) {
		return errSetting(org.Value)
	}
	return nil
}

func (b *earlier) ofValue(t policy.Type, converted bool) *pgerr.Error {
	switch {
	case (b.ran || b.settings.any || b.settings.readings) && readBySettings(t):
		return errSetting("TimeZone or DateStyle")
	case b.settings.encoding && converted:
		return errSetting("client_encoding")
	case b.settings.printing && converted && pgtypes.PrintedBySettings(t):
		return errSetting("bytea_output or extra_float_digits")
	}
	return nil
}

func (b *earlier) ofSteps(steps []pgexpr.Step) *pgerr.Error {
	for i := range steps {
		if e := b.ofValue(steps[i].Type(), true); e != nil {
			return e
		}
	}
	return nil
}

// readBySettings tells whether the text of a type's values depends on settings.
func readBySettings(t policy.Type) bool {
	switch t.Kind {
	case policy.Date, policy.Time, policy.TimeTZ, policy.Timestamp, policy.TimestampTZ, policy.Interval:
		return true
	}
	return false
}

func errSetting(name string) *pgerr.Error {
	return &pgerr.Error{
		Code:    pgerr.FeatureNotSupported,
		Message: "an earlier statement of the same text may change " + name + ", which this statement's sealed values depend on",
		Detail:  "pgseal reads the session's settings between texts, not between the statements of one.",
		Hint:    "Send the statements one by one.", Anchor: string(ddlThenUse),
	}
}
