package rewrite

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/policy"
)

// A session setting that orgs come from can be set to what the user may use only. The
// plan says where it is set, and to what; who may is not rewrite's to know. What sets
// it unseen (a function, an expression) has no more rights: whatever the setting is by
// then, it is looked at again when something is sealed for it.

// OrgSet is a place where a statement sets a setting that orgs come from.
type OrgSet struct {
	Org      string // of a literal
	Param    int    // the parameter that the org is in, zero for a literal
	Position int    // characters, from 1
}

// SetsOrgByParam tells whether a parameter of the statement is what a setting that orgs
// come from is set to.
func (st *Statement) SetsOrgByParam() bool {
	for i := range st.SetsOrg {
		if st.SetsOrg[i].Param > 0 {
			return true
		}
	}
	return false
}

// orgSetting is the name of such a setting, in lower case.
type orgSetting struct{ name, first, last string }

// orgSettings are those whose values matter: none where every user may use every org.
func orgSettings(p *policy.Policy) []orgSetting {
	if p == nil || len(p.Access) == 0 {
		return nil
	}
	names := []string{SessionOrg}
	for _, t := range p.Tables {
		if t.Org.Kind == policy.OrgFromSetting {
			names = append(names, t.Org.Value)
		}
	}
	var settings []orgSetting
	for _, name := range names {
		name = strings.ToLower(name)
		settings = append(settings, orgSetting{name, name[:strings.Index(name+".", ".")], name[strings.LastIndex(name, ".")+1:]})
	}
	return settings
}

// orgWord looks at a word in lower case. A text that has the first and the last of a
// setting's name must be parsed if it sets anything.
func (s *scanned) orgWord(r *Rewriter, word []byte) {
	for i := range r.orgSettings {
		s.orgFirst = s.orgFirst || string(word) == r.orgSettings[i].first
		s.orgLast = s.orgLast || string(word) == r.orgSettings[i].last
	}
}

// setsOrg tells whether the text may set a setting that orgs come from.
func (s *scanned) setsOrg() bool { return s.orgFirst && s.orgLast && s.effects&ChangesSettings != 0 }

// setOrg notes that a setting is set to a value.
func (r *resolver) setOrg(name string, value *pg.Node) {
	name = strings.ToLower(name)
	for i := range r.rewriter.orgSettings {
		if r.rewriter.orgSettings[i].name != name {
			continue
		}
		set := OrgSet{Org: settingText(value), Position: r.positions.at(locationOf(value, -1))}
		if tc := value.GetTypeCast(); tc != nil {
			value = tc.Arg
		}
		if p := value.GetParamRef(); p != nil {
			set.Param = int(p.Number)
		}
		if set.Org != "" || set.Param > 0 {
			r.st.SetsOrg = append(r.st.SetsOrg, set)
		}
		return
	}
}
