package rewrite

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/internal/catalog"
	"github.com/pgseal/pgseal/policy"
)

// SessionOrg is the session setting that tells the org of what a statement writes into
// a table whose org is a column, when the statement itself names none. What is sealed
// for it can be opened only in a row that has it in its org column. So the org is
// written into the statement too, from the same reading of the setting: a change of
// the setting in between, or by the statement's own functions and triggers, cannot
// part the two.
const SessionOrg = "pgseal.org"

// sessionOrg gives the org of a statement that names none. The values sealed for it
// must go into rows that writeOrg gives, or holds to have, that org.
func (r *resolver) sessionOrg(column *catalog.Column, c *policy.Column, location int32) (OrgRef, bool) {
	if !knownOrgType(column.TypeOID) {
		r.refuseOrgType(column, c, location)
		return OrgRef{}, false
	}
	return OrgRef{Kind: OrgSetting, Value: SessionOrg, TypeOID: column.TypeOID}, true
}

// writeOrg writes the session's org into the text, as an expression of the org
// column's type between before and after.
func (r *resolver) writeOrg(at int, before string, org OrgRef, after string) {
	if org.TypeOID != oidText && org.TypeOID != oidVarchar { // which need no cast from text
		after = "::" + orgTypeNames[org.TypeOID] + after
	}
	r.st.Orgs = append(r.st.Orgs, OrgPlace{At: at, Before: before, After: after, Org: org})
}

var orgTypeNames = map[uint32]string{
	oidText: "pg_catalog.text", oidVarchar: "pg_catalog.varchar",
	oidInt2: "pg_catalog.int2", oidInt4: "pg_catalog.int4", oidInt8: "pg_catalog.int8", oidUUID: "pg_catalog.uuid",
}

// CanonicalOrg is the text that an org column of a type gives back for a value written
// as text. It is not ok when the value is none of the type.
func CanonicalOrg(text string, typeOID uint32) (org string, ok bool) {
	return canonicalOrg(text, unknownConstant, typeOID)
}

// restrictToOrg makes UPDATE touch only rows of the session's org.
func (r *resolver) restrictToOrg(s *pg.UpdateStmt, target *entry, column *catalog.Column, org OrgRef) bool {
	demand := target.reference(column) + " = "
	where, end, ok := r.updateClauses(s.Relation.Location)
	switch {
	case !ok:
		return false
	case where < 0:
		r.writeOrg(end, " WHERE "+demand, org, "")
	default:
		r.st.Edits = append(r.st.Edits, Edit{where, where, "("})
		r.writeOrg(end, ") AND "+demand, org, "")
	}
	return true
}

// updateClauses finds, from the target's name on, where the condition of an UPDATE's WHERE
// begins (-1 without one) and where it or, without it, what stands before it ends. WHERE and
// RETURNING are reserved words: outside of brackets they can be nothing else but a
// column behind a dot.
func (r *resolver) updateClauses(target int32) (where, end int, ok bool) {
	i := r.tokenAt(target)
	if i < 0 {
		return 0, 0, false
	}
	where = -1
	depth, before := 0, pg.Token_NUL
	for ; i < len(r.tokens); i++ {
		t := r.tokens[i]
		if int(t.End) > r.st.End {
			break
		}
		switch t.Token {
		case pg.Token_SQL_COMMENT, pg.Token_C_COMMENT:
			continue
		case pg.Token_ASCII_40, pg.Token_ASCII_91:
			depth++
		case pg.Token_ASCII_41, pg.Token_ASCII_93:
			depth--
		case pg.Token_WHERE:
			if depth == 0 && before != pg.Token_ASCII_46 {
				next, _ := r.next(i)
				where = int(r.tokens[next].Start)
			}
		case pg.Token_RETURNING:
			if depth == 0 && before != pg.Token_ASCII_46 {
				return where, end, true
			}
		}
		if depth < 0 || t.Token == pg.Token_ASCII_59 {
			break
		}
		before, end = t.Token, int(t.End)
	}
	return where, end, true
}

func quoteIdentifier(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// reference names a column of the entry.
func (e *entry) reference(column *catalog.Column) string {
	name := quoteIdentifier(e.name) + "." + quoteIdentifier(column.Name)
	if e.schema != "" {
		return quoteIdentifier(e.schema) + "." + name
	}
	return name
}
