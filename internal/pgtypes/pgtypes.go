// Package pgtypes knows the logical types of sealed columns: it checks a value
// that a client sends as Postgres would, gives its canonical bytes, which are what
// is sealed, and gives those back in text or binary. docs/types.md says what the
// canonical bytes of each type are.
//
// What it does not do exactly as Postgres it refuses, with 0A000. It knows
// nothing of statements, columns' keys or the wire, does no I/O, and reads no
// clock: relative dates such as 'now' are refused.
//
// Files: pgtypes.go finds codecs, env.go has what the session says about values,
// errors.go and encoding.go what all types share, charset.go encodings of one byte a
// character. Each type then mirrors Postgres's four functions of a type: in (text),
// recv (binary), out and send.
//
//   - text.go, bytea.go, bool.go, uuid.go, macaddr.go. int.go, and intbase.go: numbers
//     in other bases. float.go has the type, floatshort.go its digits; numeric.go the
//     type, decimal.go the number in it.
//   - json.go and jsonb.go have the types, jsonlex.go the tokens, jsonparse.go the
//     grammar; jsonget.go follows a path into them.
//   - inet.go has inet and cidr, inettext.go reads them.
//   - date.go and timestamp.go have the types, calendar.go counts their days.
//     datetime.go reads their text in ISO form; datedecode.go all else, field by field, with
//     datedecodeword.go for words and datenumber.go for numbers. datestyle.go writes it.
//   - time.go has time and timetz, timetext.go reads them, clocktime.go the hours and
//     offsets in them and in dates. zone.go knows time zones, zoneabbrev.go their abbreviations.
//   - interval.go has the type, intervaltext.go and intervaliso.go read it,
//     intervalsum.go adds its fields up, intervalstyle.go writes it. datefields.go and
//     datewords.go cut the text of intervals, dates and times into fields and know their words.
//   - array.go has arrays of all these, arraytext.go reads their text, arrayearlier.go
//     finds what Postgres 16 and those before find in it, arraybinary.go reads their
//     binary form; elements.go is for who takes arrays apart or makes them.
//
// assign.go says which parameter types may be assigned to which columns, convert.go does
// it; cast.go has the casts between types, for values that are cast in a statement.
package pgtypes

import (
	"fmt"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/policy"
)

// Format is a format code of the wire.
type Format int16

// The formats that there are.
const (
	Text   Format = 0
	Binary Format = 1
)

// Codec turns values of one logical type from the wire into canonical bytes and
// back. It is immutable.
type Codec interface {
	// Canonical appends the canonical bytes of the value src, as a client sends
	// it in format f. A value that Postgres would refuse gives a *pgerr.Error
	// in its words; nothing is appended then.
	Canonical(dst, src []byte, f Format, env *Env) ([]byte, error)
	// Append appends what a client is sent for canonical bytes in format f.
	Append(dst, canonical []byte, f Format, env *Env) ([]byte, error)
}

// kind is a type's four functions, named after pg_type's. They append to dst.
type kind interface {
	in(dst, text []byte, env *Env) ([]byte, error) // typinput; text is in UTF-8, see received
	recv(dst, data []byte, env *Env) ([]byte, error)
	out(dst, canonical []byte, env *Env) ([]byte, error)
	send(dst, canonical []byte, env *Env) ([]byte, error)
}

// codec is a kind with the formats told apart.
type codec struct{ kind kind }

func (c *codec) Canonical(dst, src []byte, f Format, env *Env) ([]byte, error) {
	switch f {
	case Text:
		text, err := received(src, env)
		if err != nil {
			return dst, err
		}
		out, err := c.kind.in(dst, text, env)
		return keep(dst, out, err)
	case Binary:
		out, err := c.kind.recv(dst, src, env)
		return keep(dst, out, err)
	}
	return dst, unknownFormat(f)
}

func (c *codec) Append(dst, canonical []byte, f Format, env *Env) ([]byte, error) {
	switch f {
	case Text:
		out, err := c.kind.out(dst, canonical, env)
		return keep(dst, out, err)
	case Binary:
		out, err := c.kind.send(dst, canonical, env)
		return keep(dst, out, err)
	}
	return dst, unknownFormat(f)
}

// keep drops what was appended before an error.
func keep(dst, out []byte, err error) ([]byte, error) {
	if err != nil {
		return dst, err
	}
	return out, nil
}

// For gives the codec of a sealed column's type. An error names the type that is
// not supported.
func For(t policy.Type) (Codec, error) {
	k, err := kindFor(t)
	if err != nil {
		return nil, err
	}
	return &codec{k}, nil
}

func kindFor(t policy.Type) (kind, error) {
	if t.Array {
		element := policy.Type{Kind: t.Kind, Mods: t.Mods}
		k, err := kindFor(element)
		if err != nil {
			return nil, err
		}
		return arrayKind{elem: k, oid: element.OID()}, nil
	}
	typmod := t.Typmod()
	switch t.Kind {
	case policy.Text:
		return textKind{}, nil
	case policy.Varchar:
		return varcharKind{limit: length(typmod)}, nil
	case policy.Char:
		return bpcharKind{length: length(typmod)}, nil
	case policy.JSON:
		return jsonKind{}, nil
	case policy.JSONB:
		return jsonbKind{}, nil
	case policy.Bytea:
		return byteaKind{}, nil
	case policy.Bool:
		return boolKind{}, nil
	case policy.Int2:
		return int2Kind, nil
	case policy.Int4:
		return int4Kind, nil
	case policy.Int8:
		return int8Kind, nil
	case policy.Float4:
		return float4Kind, nil
	case policy.Float8:
		return float8Kind, nil
	case policy.Numeric:
		return numericKind{typmod: numericTypmod(t)}, nil
	case policy.UUID:
		return uuidKind{}, nil
	case policy.Date:
		return dateKind{}, nil
	case policy.Timestamp:
		return timestampKind{digits: fractionDigits(typmod)}, nil
	case policy.TimestampTZ:
		return timestampKind{zoned: true, digits: fractionDigits(typmod)}, nil
	case policy.Time:
		return timeKind{digits: fractionDigits(typmod)}, nil
	case policy.TimeTZ:
		return timeKind{zoned: true, digits: fractionDigits(typmod)}, nil
	case policy.Interval:
		return intervalKind{digits: intervalDigits(typmod)}, nil
	case policy.Inet:
		return inetKind{}, nil
	case policy.CIDR:
		return inetKind{cidr: true}, nil
	case policy.MACAddr:
		return macaddrKind{}, nil
	}
	return nil, fmt.Errorf("pgseal cannot seal the type %s", t)
}

// length is the length in a typmod of varchar and char; zero when there is none.
func length(typmod int32) int {
	if typmod < 4 { // VARHDRSZ
		return 0
	}
	return int(typmod - 4)
}

// OIDs of types that a parameter may have and a sealed column may not.
const (
	oidName    = 19
	oidOID     = 26
	oidUnknown = 705
)

// byOID are the codecs of base types and their arrays, without modifiers.
var byOID = func() map[uint32]*codec {
	m := map[uint32]*codec{oidName: {nameKind{}}, oidUnknown: {textKind{}}, oidOID: {oidKind{}}}
	for _, k := range []policy.Kind{
		policy.Text, policy.Varchar, policy.Char, policy.JSON, policy.JSONB, policy.Bytea, policy.Bool, policy.Int2, policy.Int4,
		policy.Int8, policy.Float4, policy.Float8, policy.Numeric, policy.UUID, policy.Date, policy.Time, policy.TimeTZ, policy.Timestamp, policy.TimestampTZ,
		policy.Interval, policy.Inet, policy.CIDR, policy.MACAddr,
	} {
		t := policy.Type{Kind: k}
		kind, err := kindFor(t)
		if err != nil {
			panic(err)
		}
		if k == policy.Char {
			// As a column's type, char without a length is char(1); as a
			// parameter's, it has no length.
			kind = bpcharKind{}
		}
		m[t.OID()] = &codec{kind}
		m[policy.Type{Kind: k, Array: true}.OID()] = &codec{arrayKind{elem: kind, oid: t.OID()}}
	}
	return m
}()

// OIDCodec gives the codec of a type by its OID, without modifiers; false
// when there is none. Besides what a column can be it has name, oid and unknown.
func OIDCodec(oid uint32) (Codec, bool) {
	c, ok := byOID[oid]
	return c, ok
}

// AppendText appends the text form of a value of any type that has a codec: what
// the value means as an org. Different ways to write one value (' 42', a uuid in
// braces, char's padding) give the same text.
func AppendText(dst, src []byte, f Format, oid uint32, env *Env) ([]byte, error) {
	c, ok := byOID[oid]
	if _, array := policyArray(oid); !ok || array {
		return dst, &pgerr.Error{
			Code:    pgerr.FeatureNotSupported,
			Message: fmt.Sprintf("pgseal cannot read a value of %s as an org", typeName(oid)),
			Hint:    "Give the org as text, uuid or integer.",
			Anchor:  anchorOrgForm,
		}
	}
	switch c.kind.(type) {
	case textKind, varcharKind, nameKind, bpcharKind: // canonical bytes are the text
		out, err := c.Canonical(dst, src, f, env)
		if _, padded := c.kind.(bpcharKind); padded && err == nil {
			out = append(dst, trimSpaces(out[len(dst):])...)
		}
		return out, err
	}
	canonical, err := c.Canonical(dst, src, f, env)
	if err != nil {
		return dst, err
	}
	out, err := c.Append(canonical, canonical[len(dst):], Text, env)
	if err != nil {
		return dst, err
	}
	return dropMiddle(out, len(dst), len(canonical)), nil
}

// dropMiddle takes out[from:to] out. A conversion appends its input before its
// output, which saves it a buffer of its own.
func dropMiddle(out []byte, from, to int) []byte {
	n := copy(out[from:], out[to:])
	return out[:from+n]
}
