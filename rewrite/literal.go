package rewrite

import (
	"slices"
	"strconv"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/internal/secret"
	"github.com/pgseal/pgseal/policy"
)

func itoa(n int32) string { return strconv.Itoa(int(n)) }

// OIDs of the types that a literal can have beside integer and bigint (pg_type.dat).
const (
	oidBool    = 16
	oidNumeric = 1700
)

// constantKind is the type that Postgres gives a literal without a cast.
type constantKind uint8

const (
	otherConstant   constantKind = iota // a bit string
	unknownConstant                     // a string, which takes the column's type
	integerConstant                     // integer or bigint
	numericConstant                     // numeric
	booleanConstant                     // boolean
)

func (k constantKind) String() string {
	return [...]string{"bit", "unknown", "integer", "numeric", "boolean"}[k]
}

// oid is the type of a constant with the given text (make_const).
func (k constantKind) oid(text secret.Text) uint32 {
	switch k {
	case integerConstant:
		if _, err := strconv.ParseInt(text.Reveal(), 10, 32); err != nil {
			return oidInt8
		}
		return oidInt4
	case numericConstant:
		return oidNumeric
	case booleanConstant:
		return oidBool
	}
	return 0
}

// constantText gives what a literal denotes, in text form.
func constantText(a *pg.A_Const) (secret.Text, constantKind) {
	switch v := a.Val.(type) {
	case *pg.A_Const_Sval:
		return secret.Text(v.Sval.Sval), unknownConstant
	case *pg.A_Const_Ival:
		return secret.Text(itoa(v.Ival.Ival)), integerConstant
	case *pg.A_Const_Fval:
		if n, ok := wideInteger(v.Fval.Fval); ok {
			return secret.Text(strconv.FormatInt(n, 10)), integerConstant
		}
		return secret.Text(v.Fval.Fval), numericConstant
	case *pg.A_Const_Boolval:
		return secret.Text(strconv.FormatBool(v.Boolval.Boolval)), booleanConstant
	}
	return "", otherConstant
}

// wideInteger reads what the grammar leaves as text since an integer does not hold it:
// digits, perhaps of another base, with underscores between them. Not ok: a bigint does
// not hold it either.
func wideInteger(text string) (n int64, ok bool) {
	base, plain := 10, strings.ReplaceAll(text, "_", "")
	if digits := strings.TrimPrefix(plain, "-"); len(digits) > 1 && digits[0] == '0' && !strings.ContainsAny(digits[1:2], "0123456789.eE") {
		base = 0 // it has the prefix of another base
	}
	n, err := strconv.ParseInt(plain, base, 64)
	return n, err == nil
}

// assignable tells whether Postgres has an assignment cast from the literal's
// type to the column's.
func (k constantKind) assignable(t policy.Type) bool {
	if k == unknownConstant {
		return true
	}
	if t.Array {
		return false
	}
	switch t.Kind {
	case policy.Text, policy.Varchar, policy.Char:
		return k != otherConstant
	case policy.Bool:
		return k == booleanConstant
	case policy.Int2, policy.Int4, policy.Int8, policy.Float4, policy.Float8, policy.Numeric:
		return k == integerConstant || k == numericConstant
	}
	return false
}

// sameText tells whether a literal, where Postgres casts it to a type, has the text
// of that type's value.
func (k constantKind) sameText(t policy.Type, text secret.Text) bool {
	switch {
	case !k.assignable(t):
		return true // an error of its own
	case k == numericConstant:
		switch t.Kind {
		case policy.Text, policy.Varchar, policy.Char: // the text of 1e3 is 1000
			return strings.Trim(text.Reveal(), "-0123456789.") == "" && !strings.HasPrefix(strings.TrimPrefix(text.Reveal(), "-"), ".")
		case policy.Int2, policy.Int4, policy.Int8: // 1.5 is rounded
			return false
		}
	}
	return true
}

// span is a range of the text.
type span struct{ start, end int }

// tokenAt finds the token that starts at a place, -1 when none does.
func (r *resolver) tokenAt(location int32) int {
	i, ok := slices.BinarySearchFunc(r.tokens, location, func(t *pg.ScanToken, at int32) int { return int(t.Start - at) })
	if !ok {
		return -1
	}
	return i
}

// next is the token after i that is no comment, past the end a token of no kind.
func (r *resolver) next(i int) (int, pg.Token) {
	for i++; i < len(r.tokens); i++ {
		if t := r.tokens[i].Token; t != pg.Token_SQL_COMMENT && t != pg.Token_C_COMMENT {
			return i, t
		}
	}
	return i, pg.Token_NUL
}

// previous is the token before i that is no comment.
func (r *resolver) previous(i int) (int, pg.Token) {
	for i--; i >= 0; i-- {
		if t := r.tokens[i].Token; t != pg.Token_SQL_COMMENT && t != pg.Token_C_COMMENT {
			return i, t
		}
	}
	return i, pg.Token_NUL
}

func (r *resolver) between(first, last int) span {
	return span{int(r.tokens[first].Start), int(r.tokens[last].End)}
}

// tokenSpan is the range of the parameter that starts there.
func (r *resolver) tokenSpan(location int32) (span, bool) {
	i := r.tokenAt(location)
	if i < 0 || r.tokens[i].Token != pg.Token_PARAM {
		return span{}, false
	}
	return r.between(i, i), true
}

// constantSpan is the range of the literal that starts there.
func (r *resolver) constantSpan(location int32) (span, bool) {
	first, last, ok := r.constantTokens(location)
	if !ok {
		return span{}, false
	}
	return r.between(first, last), true
}

// constantTokens gives the tokens of a literal: one, but for a sign before a
// number and UESCAPE '!' after a string.
func (r *resolver) constantTokens(location int32) (first, last int, ok bool) {
	first = r.tokenAt(location)
	if first < 0 {
		return 0, 0, false
	}
	switch r.tokens[first].Token {
	case pg.Token_SCONST, pg.Token_ICONST, pg.Token_FCONST, pg.Token_TRUE_P, pg.Token_FALSE_P, pg.Token_NULL_P:
		return first, first, true
	case pg.Token_USCONST:
		if i, t := r.next(first); t == pg.Token_UESCAPE {
			if i, t = r.next(i); t != pg.Token_SCONST {
				return 0, 0, false
			}
			return first, i, true
		}
		return first, first, true
	case pg.Token_ASCII_45: // -
		if i, t := r.next(first); t == pg.Token_ICONST || t == pg.Token_FCONST {
			return first, i, true
		}
	}
	return 0, 0, false
}

// castSpan is the range of a cast of a literal or parameter: value::type,
// CAST(value AS type), type 'value'.
func (r *resolver) castSpan(tc *pg.TypeCast) (span, bool) {
	var first, last int
	if ref := tc.Arg.GetParamRef(); ref != nil {
		first = r.tokenAt(ref.Location)
		if first < 0 || r.tokens[first].Token != pg.Token_PARAM {
			return span{}, false
		}
		last = first
	} else {
		var ok bool
		if first, last, ok = r.constantTokens(tc.Arg.GetAConst().Location); !ok {
			return span{}, false
		}
	}
	typeFirst := r.tokenAt(tc.TypeName.Location)
	if typeFirst < 0 {
		return span{}, false
	}
	typeLast, ok := r.typeTokens(typeFirst)
	if !ok {
		return span{}, false
	}
	switch at := r.tokenAt(tc.Location); {
	case tc.Location < 0: // type 'value'
		after, _ := r.next(typeLast)
		return r.between(typeFirst, last), typeFirst < first && after == first
	case at < 0:
		return span{}, false
	case r.tokens[at].Token == pg.Token_TYPECAST:
		first, last = r.brackets(first, last, at)
		after, _ := r.next(last)
		begins, _ := r.next(at)
		return r.between(first, typeLast), after == at && begins == typeFirst
	case r.tokens[at].Token == pg.Token_CAST:
		open, t := r.next(at)
		if t != pg.Token_ASCII_40 {
			return span{}, false
		}
		as, t := r.next(typeLast)
		if t != pg.Token_ASCII_41 {
			return span{}, false
		}
		end := as
		value, _ := r.next(open)
		as, t = r.next(last)
		begins, _ := r.next(as)
		return r.between(at, end), value == first && t == pg.Token_AS && begins == typeFirst
	}
	return span{}, false
}

// brackets widens a range by the brackets around it, up to the token at end.
func (r *resolver) brackets(first, last, end int) (int, int) {
	for {
		before, open := r.previous(first)
		after, closing := r.next(last)
		if open != pg.Token_ASCII_40 || closing != pg.Token_ASCII_41 || after >= end {
			return first, last
		}
		first, last = before, after
	}
}

// typeTokens gives the last token of a type's name: words with dots between
// them, modifiers in brackets, "with time zone", array bounds.
func (r *resolver) typeTokens(first int) (last int, ok bool) {
	last = first
	word := strings.ToLower(r.text[r.tokens[first].Start:r.tokens[first].End])
	for {
		i, t := r.next(last)
		if t != pg.Token_ASCII_46 { // .
			break
		}
		if last, t = r.next(i); t == pg.Token_NUL {
			return 0, false
		}
	}
	switch word {
	case "double", "character", "char", "national", "nchar", "bit":
		if i, t := r.next(last); t == pg.Token_PRECISION || t == pg.Token_VARYING {
			last = i
		} else if word == "national" {
			return 0, false
		}
	}
	if i, t := r.next(last); t == pg.Token_ASCII_40 { // (
		for t != pg.Token_ASCII_41 {
			if i, t = r.next(i); t != pg.Token_ICONST && t != pg.Token_ASCII_44 && t != pg.Token_ASCII_41 && t != pg.Token_ASCII_45 {
				return 0, false
			}
		}
		last = i
	}
	if word == "time" || word == "timestamp" {
		if with, t := r.next(last); t == pg.Token_WITH || t == pg.Token_WITHOUT {
			time, t := r.next(with)
			zone, z := r.next(time)
			if t == pg.Token_TIME && z == pg.Token_ZONE {
				last = zone
			}
		}
	}
	if array, t := r.next(last); t == pg.Token_ARRAY {
		last = array
	}
	for {
		open, t := r.next(last)
		if t != pg.Token_ASCII_91 { // [
			return last, true
		}
		end, t := r.next(open)
		if t == pg.Token_ICONST {
			end, t = r.next(end)
		}
		if t != pg.Token_ASCII_93 {
			return 0, false
		}
		last = end
	}
}

// plusNumber is the number behind a plus sign, which the grammar (unlike a minus
// sign) takes for an operator, and the range of both.
func (r *resolver) plusNumber(n *pg.Node) (number *pg.Node, at span, ok bool) {
	e := n.GetAExpr()
	if e == nil || e.Kind != pg.A_Expr_Kind_AEXPR_OP || e.Lexpr != nil || len(e.Name) != 1 || e.Name[0].GetString_().GetSval() != "+" {
		return nil, span{}, false
	}
	c := e.Rexpr.GetAConst()
	if c == nil {
		return nil, span{}, false
	}
	if _, kind := constantText(c); kind != integerConstant && kind != numericConstant {
		return nil, span{}, false
	}
	plus := r.tokenAt(e.Location)
	first, last, ok := r.constantTokens(c.Location)
	if !ok || plus < 0 || r.tokens[plus].Token != pg.Token_ASCII_43 {
		return nil, span{}, false
	}
	behind, _ := r.next(plus)
	return e.Rexpr, r.between(plus, last), behind == first
}
