package proxy

import (
	"fmt"
	"net"

	"github.com/pgseal/pgseal/crypto/audit"
	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/policy"
	"github.com/pgseal/pgseal/rewrite"
)

// Access: which orgs' values the session's user may open and seal, and the audit log of
// it. It is decided where a value is sealed (sealer.seal), opened (opener.open), or
// stored for the session's org (frontend.writtenOrg); no value comes by another way.
// Setting a setting that orgs come from is refused too where it is seen, so that who does
// it learns of it at once.
//
// The user is the one who logged in. SET ROLE and SET SESSION AUTHORIZATION change what
// the server lets the session do, not whose client it is; a function could run them
// unseen.

// mayUse tells whether the policy's access rules let the session's user use an org.
func (s *session) mayUse(org string) bool { return s.server.config.Policy.MayUse(s.user, org) }

// opened is told of an org whose data the session has opened a value of, for the first
// time in the audit log's period.
func (s *session) opened(org string, c *policy.Column) {
	use := s.use(audit.Open, org)
	use.Column = c.QualifiedName()
	s.server.config.Audit.Opened(use)
}

// mayNotOpen refuses an org's value, and writes the audit log.
func (s *session) mayNotOpen(org string, c *policy.Column) *pgerr.Error {
	use := s.use(audit.Open, org)
	use.Column = c.QualifiedName()
	s.server.config.Audit.Refused(use)
	return errNotAllowed(s.user, org)
}

// mayNotSeal refuses to seal a value for an org that the client names. The column may
// be nil.
func (s *session) mayNotSeal(org string, c *policy.Column) *pgerr.Error {
	use := s.use(audit.Seal, org)
	if use.Claimed = true; c != nil {
		use.Column = c.QualifiedName()
	}
	s.server.config.Audit.Refused(use)
	return errClaimed(s.user, org)
}

// mayNotSet refuses to set the setting that orgs come from.
func (s *session) mayNotSet(org string, position int) *pgerr.Error {
	use := s.use(audit.Set, org)
	use.Claimed = true
	s.server.config.Audit.Refused(use)
	e := errClaimed(s.user, org)
	e.Position = position
	return e
}

// use says who uses which org's data, for the audit log.
func (s *session) use(how audit.How, org string) audit.Use {
	return audit.Use{
		How: how, Org: org, User: s.user, Database: s.database, Application: s.application, Client: hostOf(s.client),
	}
}

// hostOf is where a client comes from, without the port.
func hostOf(conn net.Conn) string {
	address := conn.RemoteAddr().String()
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return "local" // by a Unix socket, whose clients have no name
}

func errNotAllowed(user, org string) *pgerr.Error {
	return &pgerr.Error{
		Code:    pgerr.InsufficientPrivilege,
		Message: fmt.Sprintf("user %q may not use the data of org %q", user, org),
		Hint:    "The access rules of pgseal's policy decide; ask whoever keeps them.",
		Anchor:  "access",
	}
}

// errClaimed is errNotAllowed for an org that the client has named: the name may be
// whatever it has written there.
func errClaimed(user, org string) *pgerr.Error {
	e := errNotAllowed(user, org)
	e.Echoes = true
	return e
}

// maySet tells whether a setting that orgs come from may have a value: when it is, as
// text or as a number or UUID, an org that the user may use. Which of them counts is
// known where it is used.
func maySet(mayUse func(org string) bool, value string) bool {
	if value == "" || mayUse(value) {
		return true
	}
	for _, oid := range []uint32{oidInt8, oidUUID} {
		if org, ok := rewrite.CanonicalOrg(value, oid); ok && mayUse(org) {
			return true
		}
	}
	return false
}

const (
	oidInt8 = 20
	oidText = 25
	oidUUID = 2950
)

// checkSetsOrg refuses a statement that sets such a setting, by a literal, to what the
// user may not use.
func (f *frontend) checkSetsOrg(st *rewrite.Statement) *pgerr.Error {
	for i := range st.SetsOrg {
		set := &st.SetsOrg[i]
		if set.Param == 0 && !maySet(f.s.mayUse, set.Org) {
			return f.s.mayNotSet(set.Org, set.Position)
		}
	}
	return nil
}

// checkBoundOrg is checkSetsOrg for what is given in parameters.
func (f *frontend) checkBoundOrg(st *statement, m *bindMessage) *pgerr.Error {
	for i := range st.plan.SetsOrg {
		set := &st.plan.SetsOrg[i]
		if set.Param == 0 {
			continue
		}
		text, null, err := (&boundParams{m, st}).text(f.orgScratch[:0], set.Param, oidText, f.s.settings.Load().values)
		if err != nil || null {
			continue // the server refuses the one, and unsets the setting for the other
		}
		f.orgScratch = text
		if org := f.internOrg(text); !maySet(f.s.mayUse, org) {
			return f.s.mayNotSet(org, set.Position)
		}
	}
	return nil
}
