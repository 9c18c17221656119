package pgtypes

import (
	"fmt"
	"unicode/utf8"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/policy"
)

// Assign appends the canonical bytes, as a value of the column's type to, of a
// parameter that the client declared as another type: src in format f. It does
// what Postgres's assignment casts do (pg_cast), where Assignable has no
// objection. column is the column's name, for errors.
func Assign(dst, src []byte, f Format, declared uint32, to policy.Type, column string, env *Env) ([]byte, error) {
	if declared == 0 || declared == oidUnknown || declared == to.OID() {
		c, err := For(to)
		if err != nil {
			return dst, err
		}
		return c.Canonical(dst, src, f, env)
	}
	if err := Assignable(declared, to, column); err != nil {
		return dst, err
	}
	target, err := kindFor(to)
	if err != nil {
		return dst, err
	}
	from := byOID[declared]
	value, err := from.Canonical(dst, src, f, env)
	if err != nil {
		return dst, err
	}
	out, err := convert(value, value[len(dst):], from.kind, target, env)
	if err != nil {
		return dst, err
	}
	return dropMiddle(out, len(dst), len(value)), nil
}

// AssignCut is Assign for a value that the statement casts to the column's type, varchar
// or char of some length: what is too long is cut, where Assign refuses it
// (coerce_type_typmod). So it is with the elements of an array of these.
func AssignCut(dst, src []byte, f Format, declared uint32, to policy.Type, column string, env *Env) ([]byte, error) {
	if to.Array {
		return AssignCast(dst, src, f, declared, to, to, column, env)
	}
	out, err := Assign(dst, src, f, declared, policy.Type{Kind: policy.Varchar}, column, env)
	if err != nil {
		return dst, err
	}
	text := out[len(dst):]
	end, most := 0, length(to.Typmod())
	for n := 0; n < most && end < len(text); n++ {
		_, size := utf8.DecodeRune(text[end:])
		end += size
	}
	target, err := kindFor(to)
	if err != nil {
		return dst, err
	}
	whole := len(out)
	if out, err = target.in(out, text[:end], env); err != nil {
		return dst, err
	}
	return dropMiddle(out, len(dst), whole), nil
}

// byteaText is why a bytea is not stored as text: pgseal asks for what results are
// written by, not for that.
const byteaText = "Its text depends on bytea_output."

// Assignable tells why a parameter that the client declared a type for cannot be
// assigned to a column of type to; nil when it can. Where Postgres has no cast
// the error is Postgres's own, 42804; where pgseal does not do what Postgres
// would, it is 0A000.
func Assignable(declared uint32, to policy.Type, column string) error {
	if declared == 0 || declared == oidUnknown || declared == to.OID() {
		return nil
	}
	base, array := declared, false
	if t, ok := policyArray(declared); ok {
		base, array = policy.Type{Kind: t.Kind}.OID(), true
	}
	source, known := groupOf(base)
	target := groups[to.Kind]
	switch {
	case known && target == groupText && source == groupBytea && (array || !to.Array):
		return cannotConvert(declared, to, byteaText)
	case known && to.Array == array && (base == policy.Type{Kind: to.Kind}.OID() || source.castsTo(target)):
		return nil
	case known && array && !to.Array && target == groupText:
		return nil
	}
	if known && !array && !to.Array && castsTimes(base, to.Kind) {
		return nil
	}
	if declared == oidOID && (to.Kind == policy.Int4 || to.Kind == policy.Int8) && !to.Array {
		return nil
	}
	if !known && (target == groupText || typeNames[declared] == "") {
		return cannotConvert(declared, to, "")
	}
	return &pgerr.Error{
		Code:    codeDatatypeMismatch,
		Message: fmt.Sprintf("column \"%s\" is of type %s but expression is of type %s", column, baseName(to), typeName(declared)),
		Hint:    "You will need to rewrite or cast the expression.",
	}
}

// assign appends canonical bytes of one type as those of another, which may be the same
// but for a modifier.
func assign(dst, value []byte, from, to kind, env *Env) ([]byte, error) {
	if from == to {
		return append(dst, value...), nil
	}
	return convert(dst, value, from, to, env)
}

func cannotConvert(declared uint32, to policy.Type, why string) error {
	return &pgerr.Error{
		Code:    pgerr.FeatureNotSupported,
		Message: fmt.Sprintf("pgseal does not convert a parameter of %s to the sealed column's type %s", typeName(declared), to),
		Detail:  why,
		Hint:    "Declare the parameter as the column's type, or leave its type open.",
		Anchor:  anchorOtherType,
	}
}

// group is a set of types with the same casts.
type group uint8

const (
	groupNone group = iota
	groupText
	groupBool
	groupInt
	groupFloat
	groupNumeric
	groupJSON
	groupBytea
	groupUUID
	groupInet // inet, cidr
	groupInterval
	groupTime // time, timetz
	groupMACAddr
	groupDate // date, timestamp, timestamptz
)

var groups = map[policy.Kind]group{
	policy.Text: groupText, policy.Varchar: groupText, policy.Char: groupText,
	policy.Bool: groupBool, policy.Int2: groupInt, policy.Int4: groupInt, policy.Int8: groupInt,
	policy.Float4: groupFloat, policy.Float8: groupFloat, policy.Numeric: groupNumeric,
	policy.JSON: groupJSON, policy.JSONB: groupJSON, policy.Bytea: groupBytea, policy.UUID: groupUUID,
	policy.Inet: groupInet, policy.CIDR: groupInet, policy.MACAddr: groupMACAddr,
	policy.Interval: groupInterval, policy.Time: groupTime, policy.TimeTZ: groupTime,
	policy.Date: groupDate, policy.Timestamp: groupDate, policy.TimestampTZ: groupDate,
}

// groupOf gives the group of a base type that has a codec.
func groupOf(oid uint32) (group, bool) {
	c, ok := byOID[oid]
	if !ok {
		return groupNone, false
	}
	switch c.kind.(type) {
	case jsonKind, jsonbKind: // before text, whose functions json has
		return groupJSON, true
	case textKind, varcharKind, bpcharKind, nameKind:
		return groupText, true
	case boolKind:
		return groupBool, true
	case intKind:
		return groupInt, true
	case floatKind:
		return groupFloat, true
	case numericKind:
		return groupNumeric, true
	case byteaKind:
		return groupBytea, true
	case uuidKind:
		return groupUUID, true
	case inetKind:
		return groupInet, true
	case macaddrKind:
		return groupMACAddr, true
	case intervalKind:
		return groupInterval, true
	case timeKind:
		return groupTime, true
	case dateKind, timestampKind:
		return groupDate, true
	}
	return groupNone, true // oid
}

// castsTo tells whether Postgres has an assignment cast, to another type or
// between types of one group. Everything casts to text by its output function.
func (g group) castsTo(to group) bool {
	switch to {
	case groupText:
		return true
	case groupInt, groupFloat, groupNumeric:
		return g == groupInt || g == groupFloat || g == groupNumeric
	case groupJSON, groupDate, groupInet:
		return g == to
	}
	return false
}

// castsTimes tells whether Postgres has an assignment cast to a time or an interval.
func castsTimes(from uint32, to policy.Kind) bool {
	if target := groups[to]; target != groupTime && target != groupInterval {
		return false
	}
	source, ok := policy.TypeOfOID(from)
	context, has := castFunctions[[2]policy.Kind{source.Kind, to}]
	return ok && has && context <= AssignmentCast
}

// typeNames are names of types that a parameter may be declared as, as
// format_type prints them, besides those that a column can have.
var typeNames = map[uint32]string{
	oidName: "name", oidOID: "oid", 18: `"char"`, 142: "xml", 1560: "bit", 1562: "bit varying",
	600: "point", 774: "macaddr8", 3614: "tsvector", 3615: "tsquery", 4072: "jsonpath",
}

func init() {
	for _, k := range []policy.Kind{
		policy.Text, policy.Varchar, policy.Char, policy.JSON, policy.JSONB, policy.Bytea, policy.Bool, policy.Int2, policy.Int4,
		policy.Int8, policy.Float4, policy.Float8, policy.Numeric, policy.UUID, policy.Date, policy.Time, policy.TimeTZ,
		policy.Timestamp, policy.TimestampTZ, policy.Interval, policy.Inet, policy.CIDR, policy.MACAddr,
	} {
		for _, t := range []policy.Type{{Kind: k}, {Kind: k, Array: true}} {
			typeNames[t.OID()] = t.String()
		}
	}
}

func typeName(oid uint32) string {
	if name := typeNames[oid]; name != "" {
		return name
	}
	return fmt.Sprintf("the type with OID %d", oid)
}

// baseName is the type without its modifiers, as in errors (format_type_be).
func baseName(t policy.Type) string { return policy.Type{Kind: t.Kind, Array: t.Array}.String() }
