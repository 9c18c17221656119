package rewrite

import (
	"slices"
	"strconv"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/policy"
)

// typeOf reads a type's name as the parser gives it. Not ok: it is none that a
// sealed column can have.
func typeOf(t *pg.TypeName) (typ policy.Type, ok bool) {
	if t == nil || t.Setof || t.PctType || len(t.Names) == 0 || len(t.Names) > 2 {
		return policy.Type{}, false
	}
	name := t.Names[len(t.Names)-1].GetString_().GetSval()
	if len(t.Names) == 2 && t.Names[0].GetString_().GetSval() != "pg_catalog" {
		return policy.Type{}, false
	}
	text := name
	typmods := t.Typmods
	if name == "interval" && len(typmods) > 0 {
		// The fields that it is held to come first: all of them, else none of pgseal's.
		if n := typmods[0].GetAConst().GetIval(); n == nil || n.Ival != policy.AllIntervalFields {
			return policy.Type{}, false
		}
		typmods = typmods[1:]
	}
	for i, mod := range typmods {
		n := mod.GetAConst().GetIval()
		if n == nil {
			return policy.Type{}, false
		}
		text += [...]string{"(", ","}[min(i, 1)] + strconv.Itoa(int(n.Ival))
	}
	if len(typmods) > 0 {
		text += ")"
	}
	switch len(t.ArrayBounds) {
	case 0:
	case 1:
		text += "[]"
	default:
		return policy.Type{}, false
	}
	if name == "char" { // in quotes: another type (char itself comes as bpchar)
		return policy.Type{}, false
	}
	typ, err := policy.ParseType(text)
	return typ, err == nil
}

// castType is typeOf for the type of a cast, where char without a length (bpchar, char
// '…', N'…') is of any.
func castType(t *pg.TypeName) (typ policy.Type, ok bool) {
	if typ, ok = typeOf(t); ok && typ.Kind == policy.Char && len(t.Typmods) == 0 {
		typ.Mods = policy.Bpchar.Mods
	}
	return typ, ok
}

// checkScale refuses what versions of Postgres before 15 refuse: a scale of numeric below
// zero or above its precision (numerictypmodin).
func (r *resolver) checkScale(name *pg.TypeName, t policy.Type) bool {
	if t.Kind != policy.Numeric || len(t.Mods) < 2 || r.snapshot.ServerVersion == 0 || r.serverMajor() >= 15 || t.Mods[1] >= 0 && t.Mods[1] <= t.Mods[0] {
		return true
	}
	if r.refusal == nil {
		r.refusal = &pgerr.Error{
			Code: "22023", Message: "NUMERIC scale " + strconv.Itoa(t.Mods[1]) + " must be between 0 and precision " + strconv.Itoa(t.Mods[0]),
			Position: r.positions.at(name.GetLocation()),
		}
	}
	return false
}

// serverMajor is the server's major version; zero when it is not known.
func (r *resolver) serverMajor() int { return r.snapshot.ServerVersion / 10000 }

func sameType(a, b policy.Type) bool {
	return a.Kind == b.Kind && a.Array == b.Array && a.Typmod() == b.Typmod()
}

// declaredAs tells whether a column declared so is of the policy's type.
func declaredAs(declared, t policy.Type) bool {
	return sameType(declared, t) || declared.Kind == t.Kind && declared.Array == t.Array && fullPrecision(declared) && fullPrecision(t)
}

// fullPrecision tells whether a date's or time's type keeps microseconds: declared
// with a precision of 6, as some mappers do always, or with none.
func fullPrecision(t policy.Type) bool {
	switch t.Kind {
	case policy.Time, policy.TimeTZ, policy.Timestamp, policy.TimestampTZ, policy.Interval:
		return len(t.Mods) == 0 || slices.Equal(t.Mods, []int{6})
	}
	return false
}

// castFits tells whether a value cast so can be stored in a column of the type
// with the value unchanged: the type itself, its base without modifiers, or text
// for a character type.
func castFits(cast, t policy.Type) bool {
	if cast.Array != t.Array {
		return false
	}
	if cast.Kind == t.Kind {
		mods := t.Mods
		if t.Kind == policy.Char && len(mods) == 0 {
			mods = []int{1} // the grammar gives a char this one; without any it is bpchar, of any length
		}
		return len(cast.Mods) == 0 || slices.Equal(cast.Mods, mods)
	}
	character := []policy.Kind{policy.Text, policy.Varchar}
	return slices.Contains(character, cast.Kind) && slices.Contains(character, t.Kind) && len(cast.Mods) == 0
}

// cuts tells whether an explicit cast to a type cuts what is too long, which an
// assignment refuses: of an array, the elements.
func cuts(cast policy.Type) bool {
	return cast.Typmod() >= 0 && (cast.Kind == policy.Varchar || cast.Kind == policy.Char)
}

// isSealedType tells whether a column is declared as pgseal.sealed already.
func isSealedType(t *pg.TypeName) bool {
	return t != nil && len(t.Names) == 2 && t.Names[0].GetString_().GetSval() == "pgseal" &&
		t.Names[1].GetString_().GetSval() == "sealed" && len(t.ArrayBounds) == 0 && len(t.Typmods) == 0
}
