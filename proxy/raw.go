package proxy

import (
	"slices"

	"github.com/pgseal/pgseal/crypto"
	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/policy"
	"github.com/pgseal/pgseal/rewrite"
)

// Raw mode. Users that the policy names can SET pgseal.raw = on: sealed values are
// then handed out as they are stored, and taken only if they are sealed values, in
// bytea's text or binary form. The setting is the server's; it is asked for when a
// statement of such a user touches something sealed, and not known since the last
// statement that may have changed it.

// noRaw refuses a start-up packet that asks for raw mode, in options=-c
// pgseal.raw=on or as a parameter of its own, for a user that may not.
func (st *startup) noRaw() error {
	if !slices.ContainsFunc(st.setting(rewrite.RawSetting), rewrite.TrueSetting) || st.server.config.Policy.MayRaw(st.parameters["user"]) {
		return nil
	}
	return &fatalError{&pgerr.Error{
		Code:    pgerr.InsufficientPrivilege,
		Message: `permission denied to set parameter "` + rewrite.RawSetting + `"`,
		Hint:    "policy.raw in pgseal's configuration names the users that may set it.",
		Anchor:  "raw-mode",
	}}
}

// dependsOnRaw tells whether a plan would be another one in raw mode.
func dependsOnRaw(plan *rewrite.Plan) bool {
	if plan.Relay {
		return false
	}
	for i := range plan.Statements {
		st := &plan.Statements[i]
		if st.Refusal != nil || st.DependsOnRaw() {
			return true
		}
	}
	return plan.NeedsCatalog || plan.NeedsSearchPath
}

// appendPassed appends a value that must be sealed already.
func appendPassed(dst, value []byte, format pgtypes.Format, c *policy.Column) ([]byte, error) {
	at := len(dst)
	if format == pgtypes.Binary {
		dst = append(dst, value...)
	} else {
		var err error
		if dst, err = appendBytea(dst, value); err != nil {
			return dst[:at], notSealedValue(c)
		}
	}
	if _, err := crypto.ParseHeader(dst[at:]); err != nil {
		return dst[:at], notSealedValue(c)
	}
	return dst, nil
}

func notSealedValue(c *policy.Column) *pgerr.Error {
	return &pgerr.Error{
		Code:    pgerr.CheckViolation,
		Message: "what is written to sealed column " + c.QualifiedName() + " is not a sealed value",
		Detail:  rewrite.RawSetting + " is on, so that only sealed values, as they are stored, are taken.",
		Hint:    "SET " + rewrite.RawSetting + " = off to have values sealed.",
		Anchor:  "raw-mode",
		Schema:  c.Table.Schema, Table: c.Table.Name, Column: c.Name,
	}
}
