// Package pgexpr computes on opened values what a statement's output list asks of a
// sealed column: casts, fields of json and jsonb, lengths and parts of text. The
// server cannot, since it sees sealed bytes; so the rewriter takes the expression out
// of the statement and keeps it as Steps, and the proxy runs them on each value.
//
// A Step is one function or operator of pg_catalog with its arguments. It gives what
// Postgres gives, value for value and error for error, or there is no Step. Each takes
// time and memory in proportion to the value. The package does no I/O and knows
// nothing of statements or the wire.
//
// Files: pgexpr.go has the steps as a plan keeps them, functions.go what there is, by
// name; program.go binds them to their arguments and runs them, text.go and path.go
// are the functions themselves.
package pgexpr

import (
	"slices"

	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/internal/secret"
	"github.com/pgseal/pgseal/policy"
)

// Step is one function on a value. It is immutable.
type Step struct {
	function function
	name     string // as in the statement: "left", "->>", "::text"
	from, to policy.Type
	args     []Arg
	cast     *pgtypes.Cast
}

// Type is the type of what the step gives.
func (s *Step) Type() policy.Type { return s.to }

// Args are the step's arguments behind the value.
func (s *Step) Args() []Arg { return s.args }

// MayFail tells whether there are values, or values of parameters, that the step has no
// result for.
func (s *Step) MayFail() bool {
	switch s.function {
	case functionCast:
		return s.cast.MayFail()
	case functionField, functionFieldText, functionPath, functionPathText:
		return s.from.Kind == policy.JSON // which may hold \u0000
	case functionSubstring, functionByteSubstring:
		return len(s.args) > 1 && (s.args[1].Param > 0 || len(s.args[1].Text) > 0 && s.args[1].Text[0] == '-')
	}
	return false
}

// HoldsValue tells whether an argument is a constant value of the column's kind, and not
// only part of what is asked.
func (s *Step) HoldsValue() bool { return s.function == functionDefault && s.args[0].Param == 0 }

// Overloaded tells whether the step depends on the type of its argument: -> and ->>
// take a key or an index.
func (s *Step) Overloaded() bool {
	return s.function == functionField || s.function == functionFieldText
}

// String is the step's name, without its arguments.
func (s *Step) String() string { return s.name }

// Arg is an argument: a constant of the statement's text, or a parameter.
type Arg struct {
	Param int         // from 1; 0 for a constant
	Text  secret.Text // of a constant
	Null  bool        // a constant that is NULL
	// OID is the type that Postgres gives it: text, integer or text[].
	OID uint32
}

// OIDs of arguments' types (pg_type.dat).
const (
	OIDText      = 25
	OIDInt2      = 21
	OIDInt4      = 23
	OIDVarchar   = 1043
	OIDTextArray = 1009
	OIDUnknown   = 705
)

// Equal tells whether two chains of steps give the same of every value.
func Equal(a, b []Step) bool {
	return slices.EqualFunc(a, b, func(a, b Step) bool {
		return a.function == b.function && a.name == b.name && a.from.String() == b.from.String() && a.to.String() == b.to.String() &&
			slices.Equal(a.args, b.args)
	})
}
