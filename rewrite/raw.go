package rewrite

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/policy"
)

// RawSetting is the session setting that turns raw mode on, in which sealed values
// go through as they are stored: see Env.Raw.
const RawSetting = "pgseal.raw"

// TrueSetting tells whether a setting's value means yes (parse_bool).
func TrueSetting(value string) bool {
	value = strings.ToLower(value)
	prefix := func(word string, least int) bool { return len(value) >= least && strings.HasPrefix(word, value) }
	return prefix("true", 1) || prefix("yes", 1) || value == "on" || value == "1"
}

// ofRaw refuses what depends on raw mode where that may have changed.
func (b *earlier) ofRaw(r *resolver) *pgerr.Error {
	if b.changesRaw(r.env) && (r.st.hasValues() || r.env.Raw && r.touches) {
		return errSetting(RawSetting)
	}
	return nil
}

// changesRaw tells whether raw mode may have been turned on or off.
func (b *earlier) changesRaw(env Env) bool {
	return b != nil && env.MayRaw && (b.settings.any || b.settings.named[RawSetting])
}

// storedType is the type that a value is written as: the column's own, in raw mode
// that of what is stored.
func (r *resolver) storedType(c *policy.Column) policy.Type {
	if r.env.Raw {
		return policy.Type{Kind: policy.Bytea}
	}
	return c.Type
}

// orgFor finds the org that a value is sealed for; in raw mode it is sealed already.
func (r *resolver) orgFor(org orgFinder, c *policy.Column, location int32) (OrgRef, bool) {
	if r.env.Raw {
		return OrgRef{}, true
	}
	return org(c, location)
}

// setting holds SET to what the user may set.
func (r *resolver) setting(s *pg.VariableSetStmt) {
	if s.Kind != pg.VariableSetKind_VAR_SET_VALUE {
		return
	}
	for _, n := range s.Args {
		r.setOrg(s.Name, n)
		if strings.EqualFold(s.Name, RawSetting) {
			r.setRaw(settingText(n))
		}
	}
}

// calledSetting is setting for set_config.
func (r *resolver) calledSetting(name string, args []*pg.Node) {
	if name != "set_config" || len(args) != 3 {
		return
	}
	setting := settingText(args[0])
	r.setOrg(setting, args[1])
	if strings.EqualFold(setting, RawSetting) {
		r.setRaw(settingText(args[1]))
	}
}

// settingText is a literal's text, empty for anything else.
func settingText(n *pg.Node) string {
	if tc := n.GetTypeCast(); tc != nil {
		n = tc.Arg
	}
	a := n.GetAConst()
	if a == nil {
		return ""
	}
	text, _ := constantText(a)
	return text.Reveal()
}

// setRaw refuses to turn raw mode on for users that the policy does not name. For
// them it would have no effect; better that they learn of it.
func (r *resolver) setRaw(value string) {
	if r.env.MayRaw || !TrueSetting(value) {
		return
	}
	e := r.refuse(rawMode, -1, `permission denied to set parameter "`+RawSetting+`"`, "", "policy.raw in pgseal's configuration names the users that may set it.")
	e.Code = pgerr.InsufficientPrivilege
}
