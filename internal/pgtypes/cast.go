package pgtypes

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/policy"
)

// CastContext is where a cast stands, the narrowest first (CoercionContext).
type CastContext uint8

// The contexts that there are. A cast that is allowed in one is in those behind it.
const (
	ImplicitCast   CastContext = iota // an operand or argument is of another type
	AssignmentCast                    // a value is stored into a column
	ExplicitCast                      // value::type, CAST(value AS type)
)

// Cast is a cast from one logical type to another, as Postgres does it: a function
// of pg_cast, or by the value's text. It is immutable.
type Cast struct {
	from, to kind // to without its modifiers
	path     castPath
	size     kind // to with its modifiers
	explicit bool
	element  *Cast // of arrays: that of the elements, or to their modifiers; nil for none
}

// castPath is how a cast is done (find_coercion_pathway).
type castPath uint8

const (
	castNone     castPath = iota
	castSame              // the value stays as it is, but for modifiers
	castFunction          // convert does it
	castText              // the text of one read as the other (COERCION_PATH_COERCEVIAIO)
	castScalar            // a scalar out of jsonb
	castElements          // of an array, one by one (ArrayCoerceExpr)
)

// CastFor gives the cast between two types as the major version of Postgres has it; zero
// counts as the newest. An error is a *pgerr.Error: Postgres's own, 42846, where it has no
// such cast in the context, else 0A000.
func CastFor(from, to policy.Type, context CastContext, version int) (*Cast, error) {
	path, least := castBetween(from, to, version)
	if path == castNone || context < least {
		return nil, &pgerr.Error{
			Code: codeCannotCoerce, Message: fmt.Sprintf("cannot cast type %s to %s", baseName(from), baseName(to)),
		}
	}
	source, err := kindFor(from)
	if err != nil {
		return nil, castNotDone(from, to, "")
	}
	size, err := kindFor(to)
	if err != nil {
		return nil, castNotDone(from, to, "")
	}
	base, err := kindFor(policy.Type{Kind: to.Kind, Array: to.Array})
	if to.Kind == policy.Char && !to.Array {
		base, err = bpcharKind{}, nil
	}
	if err != nil {
		return nil, castNotDone(from, to, "")
	}
	c := &Cast{from: source, to: base, path: path, size: size, explicit: context == ExplicitCast}
	if to.Array && (path == castElements || path == castText) {
		element := policy.Type{Kind: to.Kind, Mods: to.Mods}
		if path == castElements {
			c.element, err = CastFor(policy.Type{Kind: from.Kind}, element, context, version)
		} else if len(to.Mods) > 0 {
			c.element, err = CastFor(policy.Type{Kind: to.Kind}, element, context, version)
		}
	}
	return c, err
}

func castNotDone(from, to policy.Type, why string) error {
	return &pgerr.Error{
		Code: pgerr.FeatureNotSupported, Message: fmt.Sprintf("pgseal does not cast %s to %s", baseName(from), baseName(to)),
		Detail: why, Hint: "Select the column as it is and convert in the application.", Anchor: anchorNotComputable,
	}
}

// castBetween tells how a type is cast to another and the narrowest context that
// allows it (pg_cast.dat, find_coercion_pathway).
func castBetween(from, to policy.Type, version int) (castPath, CastContext) {
	source, target := groups[from.Kind], groups[to.Kind]
	switch {
	case from.Array || to.Array:
		return castArrays(from, to, version)
	case from.Kind == to.Kind:
		return castSame, ImplicitCast
	case source == groupText && target == groupText:
		return castText, ImplicitCast
	case target == groupText:
		return castText, AssignmentCast
	case source == groupText:
		return castText, ExplicitCast
	case source == groupJSON && target == groupJSON:
		return castText, AssignmentCast
	case from.Kind == policy.JSONB && (target == groupBool || numberRank[to.Kind] > 0):
		return castScalar, ExplicitCast
	case from.Kind == policy.Bytea && target == groupInt, source == groupInt && to.Kind == policy.Bytea:
		if version == 0 || version >= 18 {
			return castFunction, ExplicitCast
		}
	case from.Kind == policy.Bool && to.Kind == policy.Int4, from.Kind == policy.Int4 && to.Kind == policy.Bool:
		return castFunction, ExplicitCast
	case numberRank[from.Kind] > 0 && numberRank[to.Kind] > 0:
		if numberRank[from.Kind] < numberRank[to.Kind] {
			return castFunction, ImplicitCast
		}
		return castFunction, AssignmentCast
	}
	if context, ok := castFunctions[[2]policy.Kind{from.Kind, to.Kind}]; ok {
		return castFunction, context
	}
	return castNone, ExplicitCast
}

// numberRank orders the types of numbers: each casts implicitly to those behind it.
var numberRank = map[policy.Kind]int{
	policy.Int2: 1, policy.Int4: 2, policy.Int8: 3, policy.Numeric: 4, policy.Float4: 5, policy.Float8: 6,
}

// castFunctions are the casts of pg_cast between types of dates, times and networks.
var castFunctions = map[[2]policy.Kind]CastContext{
	{policy.Date, policy.Timestamp}:        ImplicitCast,
	{policy.Date, policy.TimestampTZ}:      ImplicitCast,
	{policy.Timestamp, policy.Date}:        AssignmentCast,
	{policy.Timestamp, policy.TimestampTZ}: ImplicitCast,
	{policy.TimestampTZ, policy.Date}:      AssignmentCast,
	{policy.TimestampTZ, policy.Timestamp}: AssignmentCast,
	{policy.Timestamp, policy.Time}:        AssignmentCast,
	{policy.TimestampTZ, policy.Time}:      AssignmentCast,
	{policy.TimestampTZ, policy.TimeTZ}:    AssignmentCast,
	{policy.Time, policy.Interval}:         ImplicitCast,
	{policy.Time, policy.TimeTZ}:           ImplicitCast,
	{policy.TimeTZ, policy.Time}:           AssignmentCast,
	{policy.Interval, policy.Time}:         AssignmentCast,
	{policy.Inet, policy.CIDR}:             AssignmentCast,
	{policy.CIDR, policy.Inet}:             ImplicitCast,
}

// castArrays tells the same where one of the types is an array.
func castArrays(from, to policy.Type, version int) (castPath, CastContext) {
	switch {
	case from.Array && to.Array && from.Kind == to.Kind && len(to.Mods) == 0:
		return castSame, ImplicitCast
	case from.Array && to.Array: // a cast of the elements makes one of the arrays
		if path, context := castBetween(policy.Type{Kind: from.Kind}, policy.Type{Kind: to.Kind}, version); path != castNone {
			return castElements, context
		}
	case from.Array && groups[to.Kind] == groupText:
		return castText, AssignmentCast
	case to.Array && groups[from.Kind] == groupText:
		return castText, ExplicitCast
	}
	return castNone, ExplicitCast
}

// MayFail tells whether there may be values that the cast gives an error for.
func (c *Cast) MayFail() bool {
	if isCharacter(c.to) {
		return !c.explicit
	}
	from, ok := c.from.(intKind)
	switch to := c.size.(type) {
	case intKind:
		return !ok || from.size > to.size
	case floatKind:
		return !ok
	case numericKind:
		return !ok || to.typmod != (numericMod{})
	}
	return c.path != castSame || c.element != nil && c.element.MayFail()
}

// errNull is the error of a cast that Postgres makes NULL of a value that is not. Where
// NULL cannot take the value's place it is what the client gets.
var errNull error = &pgerr.Error{
	Code: pgerr.FeatureNotSupported, Message: "pgseal does not store what a cast makes NULL", Anchor: anchorOtherType,
	Detail: "The value is an infinite timestamp that is cast to a time, or jsonb's null that is cast to a scalar.", Hint: "Send NULL.",
}

// GivesNull tells whether an error of Append says that the result is NULL.
func GivesNull(err error) bool { return errors.Is(err, errNull) }

// Append appends the canonical bytes of the value canonical as the type cast to. The
// error may be one that GivesNull knows.
func (c *Cast) Append(dst, canonical []byte, env *Env) ([]byte, error) {
	at := len(dst)
	out, err := c.convert(dst, canonical, env)
	if err == nil {
		out, err = c.resize(out, at, env)
	}
	return keep(dst, out, err)
}

// elements casts an array element by element.
func (c *Cast) elements(dst, array []byte, env *Env) ([]byte, error) {
	lower, _, ok := canonicalArray(array)
	if !ok {
		return dst, notCanonical("array")
	}
	b := arrayBuilder{dst: dst, at: len(dst), lower: lower, env: env, read: c.element.Append}
	if err := CanonicalElements(array, b.add); err != nil {
		return b.dst, err
	}
	return b.dst, b.misfit
}

func (c *Cast) convert(dst, value []byte, env *Env) ([]byte, error) {
	switch c.path {
	case castSame:
		return append(dst, value...), nil
	case castText:
		text, err := c.text(dst, value, env)
		if err != nil || isCharacter(c.to) {
			return text, err
		}
		out, err := c.to.in(text, text[len(dst):], env)
		if err != nil {
			return dst, err
		}
		return dropMiddle(out, len(dst), len(text)), nil
	case castScalar:
		return castJSON(dst, value, c.to, env)
	case castElements:
		return c.elements(dst, value, env)
	}
	switch to := c.to.(type) {
	case boolKind: // of integer
		n, _ := int4Kind.value(value)
		return append(dst, boolByte(n != 0)), nil
	case intKind:
		switch c.from.(type) {
		case boolKind:
			return to.append(dst, int64(value[0])), nil
		case byteaKind:
			return bytesToInt(dst, value, to)
		}
	case byteaKind: // of an integer, whose canonical bytes they are (int4_bytea)
		return append(dst, value...), nil
	}
	return convert(dst, value, c.from, c.to, env)
}

// text is the value's text as it is cast to another type. Only another character
// type is read without char's padding.
func (c *Cast) text(dst, value []byte, env *Env) ([]byte, error) {
	if _, padded := c.from.(bpcharKind); padded && !isCharacter(c.to) {
		return append(dst, value...), nil
	}
	return assignmentText(dst, value, c.from, env)
}

func isCharacter(k kind) bool {
	switch k.(type) {
	case jsonKind, jsonbKind:
		return false
	case textKind, varcharKind, bpcharKind:
		return true
	}
	return false
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// resize applies the type's modifiers to out[at:] (coerce_type_typmod). An explicit
// cast cuts what is too long for a character type.
func (c *Cast) resize(out []byte, at int, env *Env) ([]byte, error) {
	value := out[at:]
	switch to := c.size.(type) {
	case arrayKind:
		if c.element == nil || c.path == castElements {
			return out, nil
		}
		sized, err := c.elements(out, value, env)
		if err != nil {
			return out, err
		}
		return dropMiddle(sized, at, len(out)), nil
	case intervalKind:
		return to.rounded(out[:at], readInterval(value), env)
	case varcharKind:
		if to.limit == 0 || len(value) <= to.limit {
			return out, nil
		}
		if c.explicit {
			return out[:at+prefix(value, to.limit)], nil
		}
		cut, err := clip(value, to.limit, "character varying")
		return out[:at+len(cut)], err
	case bpcharKind:
		if to.length == 0 {
			return out, nil
		}
		if c.explicit {
			out = out[:at+prefix(value, to.length)]
		}
		sized, err := to.in(out, out[at:], nil)
		if err != nil {
			return out, err
		}
		return dropMiddle(sized, at, len(out)), nil
	case numericKind:
		if to.typmod == (numericMod{}) {
			return out, nil
		}
		sized, err := to.in(out, value, nil)
		if err != nil {
			return out, err
		}
		return dropMiddle(sized, at, len(out)), nil
	case timeKind:
		if to.digits >= 0 { // the zone stays behind it
			binary.BigEndian.PutUint64(value, uint64(to.round(int64(binary.BigEndian.Uint64(value)))))
		}
	case timestampKind:
		if t := int64(be64(value)); to.digits >= 0 && t != math.MaxInt64 && t != math.MinInt64 {
			return appendWide(out[:at], to.round(t)), nil
		}
	}
	return out, nil
}

// prefix is how many bytes the first n characters take.
func prefix(text []byte, n int) int {
	end := 0
	for ; n > 0 && end < len(text); n-- {
		_, size := utf8.DecodeRune(text[end:])
		end += size
	}
	return end
}

// castJSON casts a scalar of jsonb (jsonb_numeric and its kin).
func castJSON(dst, value []byte, to kind, env *Env) ([]byte, error) {
	_, toBool := to.(boolKind)
	what := "numeric"
	switch value[0] {
	case 'n':
		if env.version == 0 || env.version >= 18 {
			return dst, errNull
		}
		what = "null"
	case 't', 'f':
		if toBool {
			return append(dst, boolByte(value[0] == 't')), nil
		}
		what = "boolean"
	case '"':
		what = "string"
	case '[':
		what = "array"
	case '{':
		what = "object"
	}
	if what != "numeric" || toBool {
		return dst, &pgerr.Error{Code: codeInvalidParameter, Message: "cannot cast jsonb " + what + " to type " + kindName(to)}
	}
	if _, ok := to.(numericKind); ok {
		return append(dst, value...), nil
	}
	return convert(dst, value, numericKind{}, to, env)
}

// kindName is the name of a type that jsonb is cast to.
func kindName(k kind) string {
	switch k := k.(type) {
	case intKind:
		return k.name
	case floatKind:
		return k.name
	case boolKind:
		return "boolean"
	}
	return "numeric"
}

// bytesToInt reads bytes as an integer, the highest first (bytea_int4).
func bytesToInt(dst, value []byte, to intKind) ([]byte, error) {
	if len(value) > to.size {
		return dst, &pgerr.Error{Code: pgerr.NumericOutOfRange, Message: to.name + " out of range"}
	}
	for range to.size - len(value) {
		dst = append(dst, 0)
	}
	return append(dst, value...), nil
}

// AssignCast appends the canonical bytes, as a value of the column's type to, of a value
// that the statement casts to the type via before it is stored: src in format f, of the
// type with the OID declared; zero for what is read as via itself. CastAssignable must
// have no objection. column is the column's name, for errors.
func AssignCast(dst, src []byte, f Format, declared uint32, via, to policy.Type, column string, env *Env) ([]byte, error) {
	if declared == 0 || declared == oidUnknown {
		declared = via.OID()
	}
	first, last, err := assignedCasts(declared, via, to, column, env.version)
	if err != nil {
		return dst, err
	}
	reader, ok := OIDCodec(declared)
	if !ok {
		return dst, cannotConvert(declared, to, "")
	}
	at := len(dst)
	for i, step := range []func(dst, value []byte) ([]byte, error){
		func(dst, value []byte) ([]byte, error) { return reader.Canonical(dst, value, f, env) },
		func(dst, value []byte) ([]byte, error) { return first.Append(dst, value, env) },
		func(dst, value []byte) ([]byte, error) { return last.Append(dst, value, env) },
	} {
		value := src
		if i > 0 {
			value = dst[at:]
		}
		out, err := step(dst, value)
		if err != nil {
			return dst[:at], atRun(err, i > 0)
		}
		dst = dropMiddle(out, at, len(dst))
	}
	return dst, nil
}

// atRun marks an error of a cast, which Postgres gives when the statement runs.
func atRun(err error, cast bool) error {
	var e *pgerr.Error
	if !cast || !errors.As(err, &e) {
		return err
	}
	marked := *e
	marked.AtRun = true
	return &marked
}

// CastAssignable tells why a value of the type with the OID declared (zero: of via) that
// is cast to via cannot be assigned to a column of type to, nil when it can, in the major
// version of Postgres.
func CastAssignable(declared uint32, via, to policy.Type, column string, version int) error {
	if declared == 0 || declared == oidUnknown {
		declared = via.OID()
	}
	_, _, err := assignedCasts(declared, via, to, column, version)
	return err
}

func assignedCasts(declared uint32, via, to policy.Type, column string, version int) (first, last *Cast, err error) {
	from, ok := policy.TypeOfOID(declared)
	if !ok {
		return nil, nil, cannotConvert(declared, to, "")
	}
	if first, err = CastFor(from, via, ExplicitCast, version); err != nil {
		return nil, nil, err
	}
	if groups[from.Kind] == groupBytea && groups[via.Kind] == groupText {
		return nil, nil, cannotConvert(declared, via, byteaText)
	}
	if err := Assignable(via.OID(), to, column); err != nil {
		return nil, nil, err
	}
	last, err = CastFor(via, to, AssignmentCast, version)
	return first, last, err
}
