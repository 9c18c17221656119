package pgexpr

import (
	"slices"

	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/policy"
)

// function is what a step does.
type function uint8

const (
	functionCast function = iota
	functionField
	functionFieldText
	functionPath
	functionPathText
	functionCharacters // of text
	functionTrimmed    // characters of char, without its padding
	functionOctets
	functionLeft
	functionRight
	functionSubstring
	functionByteSubstring
	functionDefault // COALESCE(value, argument)
)

var (
	typeText  = policy.Type{Kind: policy.Text}
	typeInt4  = policy.Type{Kind: policy.Int4}
	typeBytea = policy.Type{Kind: policy.Bytea}
)

// Cast is the step of an explicit cast, in the major version of Postgres; zero counts as
// the newest. The error is a *pgerr.Error.
func Cast(from, to policy.Type, version int) (Step, error) {
	c, err := pgtypes.CastFor(from, to, pgtypes.ExplicitCast, version)
	if err != nil {
		return Step{}, err
	}
	return Step{function: functionCast, name: "::" + to.String(), from: from, to: to, cast: c}, nil
}

// Operator is the step of an operator of json or jsonb: -> ->> #> #>>. Not ok: there is
// none of that name for these types. The type of arg is the one that it has in the
// statement, OIDUnknown where that is open; what Postgres makes of it is in the step.
func Operator(name string, left policy.Type, arg Arg) (step Step, ok bool) {
	if left.Array || left.Kind != policy.JSON && left.Kind != policy.JSONB {
		return Step{}, false
	}
	s := Step{name: name, from: left, to: left, args: []Arg{arg}}
	switch name {
	case "->":
		s.function = functionField
	case "->>":
		s.function, s.to = functionFieldText, typeText
	case "#>":
		s.function = functionPath
	case "#>>":
		s.function, s.to = functionPathText, typeText
	default:
		return Step{}, false
	}
	isPath := s.function == functionPath || s.function == functionPathText
	switch a := &s.args[0]; {
	case a.OID == OIDUnknown && isPath:
		a.OID = OIDTextArray
	case a.OID == OIDUnknown, a.OID == OIDVarchar && !isPath:
		a.OID = OIDText // text is the preferred type of its category
	case a.OID == OIDInt2 && !isPath:
		a.OID = OIDInt4
	}
	wanted := []uint32{OIDText, OIDInt4}
	if isPath {
		wanted = []uint32{OIDTextArray}
		if _, err := pgtypes.For(typeTextArray); err != nil {
			return Step{}, false
		}
	}
	return s, slices.Contains(wanted, s.args[0].OID)
}

// Function gives the steps of a function of pg_catalog by its name. Not ok: there is
// none for these types, or it is none that is computed. Arguments are as in Operator.
func Function(name string, left policy.Type, args []Arg) (steps []Step, ok bool) {
	if left.Array {
		return nil, false
	}
	s := Step{name: name, from: left, args: slices.Clone(args)}
	bytes := left.Kind == policy.Bytea
	character := left.Kind == policy.Text || left.Kind == policy.Varchar || left.Kind == policy.Char
	if !bytes && !character {
		return nil, false
	}
	want := 0
	switch name {
	case "length", "char_length", "character_length":
		s.function, s.to = functionCharacters, typeInt4
		switch {
		case left.Kind == policy.Char:
			s.function = functionTrimmed
		case bytes && name == "length":
			s.function = functionOctets
		case bytes:
			return nil, false
		}
	case "octet_length":
		s.function, s.to = functionOctets, typeInt4
	case "left", "right":
		want, s.to = 1, typeText
		s.function = functionLeft
		if name == "right" {
			s.function = functionRight
		}
		if bytes {
			return nil, false
		}
	case "substr", "substring":
		want = 1
		s.function, s.to = functionSubstring, typeText
		if bytes {
			s.function, s.to = functionByteSubstring, typeBytea
		}
		if len(args) == 2 {
			want = 2
		}
	default:
		return nil, false
	}
	if len(args) != want {
		return nil, false
	}
	for i := range s.args {
		a := &s.args[i]
		switch {
		case a.OID == OIDInt2:
			a.OID = OIDInt4
		case a.OID == OIDUnknown && (a.Param > 0 || a.Null) && name != "substring": // which may mean a pattern, too
			a.OID = OIDInt4
		}
		if a.OID != OIDInt4 {
			return nil, false
		}
	}
	if left.Kind == policy.Char && want > 0 { // taken as text, without its padding
		c, err := Cast(left, typeText, 0)
		if err != nil {
			return nil, false
		}
		s.from = typeText
		return []Step{c, s}, true
	}
	return []Step{s}, true
}

// Default is the step of COALESCE(value, arg), where arg is read as the value's type, for
// types whose text means the same in every session. Not ok: it is none of them, or arg is
// of another type.
func Default(left policy.Type, arg Arg) (step Step, ok bool) {
	t := policy.Type{Kind: left.Kind}
	switch left.Kind {
	case policy.Text, policy.Varchar, policy.JSON, policy.JSONB, policy.Bool, policy.UUID, policy.Float8:
	case policy.Int4, policy.Int8, policy.Numeric:
		if arg.OID == OIDInt4 {
			arg.OID = t.OID()
		}
	default:
		return Step{}, false
	}
	if arg.OID == OIDUnknown {
		arg.OID = t.OID()
	}
	s := Step{function: functionDefault, name: "COALESCE", from: left, to: t, args: []Arg{arg}}
	return s, !left.Array && !arg.Null && arg.OID == t.OID()
}
