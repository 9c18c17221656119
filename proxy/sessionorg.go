package proxy

import (
	"cmp"
	"fmt"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/rewrite"
)

// The session's org, for statements that name none: its values are sealed for what
// the setting is when they come, and that very value goes with them to the server. In
// a simple Query it is written into the text; a prepared statement gets one parameter
// more, which the client does not see.

// maxParams is how many values a Bind can carry.
const maxParams = 65535

// errNoRoomForOwn: the client uses all the parameters that there are.
var errNoRoomForOwn = &pgerr.Error{
	Code:    pgerr.FeatureNotSupported,
	Message: "the statement has so many parameters that there is none left for the session's org, or for literals beside an org in a parameter",
	Hint:    "Name the org in the statement, give its values as parameters, or use fewer of them.",
	Anchor:  "org-missing",
}

// settingOrg gives the org that a setting tells.
func (f *frontend) settingOrg(ref *rewrite.OrgRef) (string, error) {
	value, known := f.planner.settings[ref.Value]
	switch {
	case !known:
		return "", cmp.Or(f.planner.unanswered, refusalNotAnswered)
	case value == "":
		e := &pgerr.Error{
			Code:    pgerr.FeatureNotSupported,
			Message: "pgseal cannot tell which org the row belongs to",
			Hint:    fmt.Sprintf("SET %s = '…' first, or give it in the connection's options.", ref.Value),
			Anchor:  "org-unknown",
		}
		if ref.TypeOID != 0 {
			e.Message = "pgseal cannot tell which org the row belongs to: the statement does not name it, and the session's " + ref.Value + " is not set"
			e.Hint = fmt.Sprintf("Name the org in the statement, or SET %s = '…' first, or give it in the connection's options.", ref.Value)
			e.Anchor = "org-missing"
		}
		return "", e
	case ref.TypeOID == 0:
		return value, nil
	}
	org, ok := rewrite.CanonicalOrg(value, ref.TypeOID)
	if !ok {
		return "", &pgerr.Error{
			Code:    pgerr.FeatureNotSupported,
			Message: "pgseal cannot tell which org the row belongs to: the session's " + ref.Value + " is no value of the org column's type",
			Hint:    fmt.Sprintf("SET %s to one.", ref.Value),
			Anchor:  "org-missing",
		}
	}
	return org, nil
}

// writtenOrg gives the text of the setting that the statement's orgs are written as.
func (f *frontend) writtenOrg(orgs []rewrite.OrgPlace) (string, error) {
	for i := range orgs {
		org, err := f.settingOrg(&orgs[i].Org)
		if err != nil {
			return "", err
		}
		if !f.s.mayUse(org) {
			return "", f.s.mayNotSeal(org, nil)
		}
	}
	return f.planner.settings[orgs[0].Org.Value], nil
}

// orgParam is the number of the parameter that the session's org is given in, zero
// when a statement of the extended protocol has none.
func orgParam(plan *rewrite.Statement, declared []uint32) int {
	if plan == nil || len(plan.Orgs) == 0 || plan.NoParams || plan.Prepare != nil {
		return 0
	}
	return max(plan.NumParams, len(declared)) + 1
}

// appendOrg appends the session's org as an expression of type text: a parameter, or
// with none a literal.
func (f *frontend) appendOrg(dst []byte, st *rewrite.Statement, param int) ([]byte, error) {
	if st.Prepare != nil {
		param = orgParam(&st.Prepare.Statement, st.Prepare.Declared)
	}
	if param > 0 {
		return fmt.Appendf(dst, "$%d::pg_catalog.text", param), nil
	}
	org, err := f.writtenOrg(st.Orgs)
	if err != nil {
		return dst, err
	}
	dst = append(dst, '\'')
	for _, c := range []byte(org) {
		if c == '\'' {
			dst = append(dst, c)
		}
		dst = append(dst, c)
	}
	return append(dst, "'::pg_catalog.text"...), nil
}

// sealedFor gives the settings, as they are now, that orgs of the statement's
// literals come from: those are sealed once and stay so. Nil when there are none.
func (f *frontend) sealedFor(st *rewrite.Statement) map[string]string {
	var settings map[string]string
	note := func(ref *rewrite.OrgRef) {
		if ref.Kind == rewrite.OrgSetting {
			if settings == nil {
				settings = make(map[string]string)
			}
			settings[ref.Value] = f.planner.settings[ref.Value]
		}
	}
	for i := range st.Literals {
		note(&st.Literals[i].Org)
	}
	if st.NoParams { // it has the org itself in its text
		for i := range st.Orgs {
			note(&st.Orgs[i].Org)
		}
	}
	return settings
}

// stillSealedFor tells whether the settings are what they were when the literals of a
// prepared statement were sealed.
func (f *frontend) stillSealedFor(st *statement) (*pgerr.Error, error) {
	if st.sealedFor == nil {
		return nil, nil
	}
	if err := f.planner.settle(f); err != nil {
		return nil, err
	}
	for name, value := range st.sealedFor {
		if err := f.planner.askSetting(f, &rewrite.OrgRef{Kind: rewrite.OrgSetting, Value: name}); err != nil {
			return nil, err
		}
		now, known := f.planner.settings[name]
		switch {
		case !known:
			return cmp.Or(f.planner.unanswered, refusalNotAnswered), nil
		case now != value:
			return errSealedForOther, nil
		}
	}
	return nil, nil
}

// errSealedForOther has Postgres's own wording for a prepared statement whose meaning
// has changed (RevalidateCachedQuery), by which drivers know to prepare it again.
var errSealedForOther = &pgerr.Error{
	Code:    pgerr.FeatureNotSupported,
	Message: "cached plan must not change result type",
	Detail:  "The session setting that tells the org has changed since the statement was prepared, and its literals are sealed for the org of then.",
	Hint:    "Give the values as parameters, or prepare the statement again.",
	Anchor:  "catalog-changed",
}

// placedAt is an error about the org of the parameters' values, at the first of them.
func placedAt(err error, params []rewrite.Param) *pgerr.Error {
	placed := *asClientError(err)
	if len(params) > 0 {
		placed.Position = params[0].Position
	}
	return &placed
}
