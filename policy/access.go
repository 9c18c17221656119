package policy

import "slices"

// Access lets a database user open, and write for, some orgs. "*" stands for
// every user, or every org.
type Access struct {
	User string
	Orgs []string
}

// MayUse tells whether a database user may open and write org's values. With
// no access rules every user may use every org; with rules, a user's rights are
// the union of the rules that name it and of those for "*".
func (p *Policy) MayUse(user, org string) bool {
	if len(p.Access) == 0 {
		return true
	}
	for _, a := range p.Access {
		if a.User != user && a.User != "*" {
			continue
		}
		if slices.Contains(a.Orgs, org) || slices.Contains(a.Orgs, "*") {
			return true
		}
	}
	return false
}

// NamesOrg tells whether a rule names an org.
func (p *Policy) NamesOrg(org string) bool {
	return org != "*" && slices.ContainsFunc(p.Access, func(a Access) bool { return slices.Contains(a.Orgs, org) })
}

// MayRaw tells whether a database user may turn raw mode on. Access does not matter
// there: what is sealed tells nothing of itself.
func (p *Policy) MayRaw(user string) bool { return slices.Contains(p.RawUsers, user) }
