package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Kind is a logical type's base type, by its name in pg_type.
type Kind string

// The logical types that a sealed column can have.
const (
	Text        Kind = "text"
	Varchar     Kind = "varchar"
	Char        Kind = "bpchar"
	JSON        Kind = "json"
	JSONB       Kind = "jsonb"
	Bytea       Kind = "bytea"
	Bool        Kind = "bool"
	Int2        Kind = "int2"
	Int4        Kind = "int4"
	Int8        Kind = "int8"
	Float4      Kind = "float4"
	Float8      Kind = "float8"
	Numeric     Kind = "numeric"
	UUID        Kind = "uuid"
	Date        Kind = "date"
	Time        Kind = "time"
	TimeTZ      Kind = "timetz"
	Timestamp   Kind = "timestamp"
	TimestampTZ Kind = "timestamptz"
	Interval    Kind = "interval"
	Inet        Kind = "inet"
	CIDR        Kind = "cidr"
	MACAddr     Kind = "macaddr"
)

// oids are Postgres's own fixed type OIDs (pg_type.dat): the type, its array.
var oids = map[Kind][2]uint32{
	Text: {25, 1009}, Varchar: {1043, 1015}, Char: {1042, 1014},
	JSON: {114, 199}, JSONB: {3802, 3807}, Bytea: {17, 1001}, Bool: {16, 1000},
	Int2: {21, 1005}, Int4: {23, 1007}, Int8: {20, 1016},
	Float4: {700, 1021}, Float8: {701, 1022}, Numeric: {1700, 1231}, UUID: {2950, 2951},
	Date: {1082, 1182}, Time: {1083, 1183}, TimeTZ: {1266, 1270},
	Timestamp: {1114, 1115}, TimestampTZ: {1184, 1185}, Interval: {1186, 1187},
	Inet: {869, 1041}, CIDR: {650, 651}, MACAddr: {829, 1040},
}

// sizes are pg_type.typlen; -1, of variable length, where absent.
var sizes = map[Kind]int16{
	Bool: 1, Int2: 2, Int4: 4, Int8: 8, Float4: 4, Float8: 8, UUID: 16, Date: 4,
	Time: 8, TimeTZ: 12, Timestamp: 8, TimestampTZ: 8, Interval: 16, MACAddr: 6,
}

// aliases are the names that SQL knows the types by, besides those of pg_type.
var aliases = map[string]Kind{
	"character varying": Varchar, "character": Char, "char": Char,
	"boolean": Bool, "smallint": Int2, "integer": Int4, "int": Int4, "bigint": Int8,
	"real": Float4, "double precision": Float8, "decimal": Numeric,
	"time without time zone": Time, "time with time zone": TimeTZ,
	"timestamp without time zone": Timestamp, "timestamp with time zone": TimestampTZ,
}

// sqlNames is how format_type() prints the types whose names differ.
var sqlNames = map[Kind]string{
	Varchar: "character varying", Char: "character", Bool: "boolean",
	Int2: "smallint", Int4: "integer", Int8: "bigint", Float4: "real", Float8: "double precision",
	Time: "time without time zone", TimeTZ: "time with time zone",
	Timestamp: "timestamp without time zone", TimestampTZ: "timestamp with time zone",
}

// Type is the logical type of a sealed column: what the application sees.
type Type struct {
	Kind  Kind
	Array bool
	// Mods are the type modifiers as written: (20) of varchar(20), (10,2) of
	// numeric(10,2). Nil when there are none.
	Mods []int
}

// Bpchar is char of any length, which only values are cast to: a column that is declared
// without a length is char(1). Its modifier is none that can be written.
var Bpchar = Type{Kind: Char, Mods: []int{0}}

// IsBpchar tells whether it is Bpchar, or an array of it.
func (t Type) IsBpchar() bool { return t.Kind == Char && len(t.Mods) == 1 && t.Mods[0] == 0 }

// OID is the type's OID, the same in every Postgres.
func (t Type) OID() uint32 {
	if t.Array {
		return oids[t.Kind][1]
	}
	return oids[t.Kind][0]
}

// typesByOID are the types by their OID, and that of their arrays.
var typesByOID = func() map[uint32]Type {
	types := map[uint32]Type{}
	for kind, pair := range oids {
		for i, oid := range pair {
			if oid != 0 {
				types[oid] = Type{Kind: kind, Array: i == 1}
			}
		}
	}
	return types
}()

// TypeOfOID gives the type that has an OID, without modifiers.
func TypeOfOID(oid uint32) (t Type, ok bool) {
	t, ok = typesByOID[oid]
	return t, ok
}

// Size is the type's length as in pg_type.typlen: -1 when it varies.
func (t Type) Size() int16 {
	if n, ok := sizes[t.Kind]; ok && !t.Array {
		return n
	}
	return -1
}

// Typmod is the type modifier as Postgres encodes it in pg_attribute.atttypmod
// and RowDescription; -1 when there is none (varchartypmodin, numerictypmodin,
// anytimestamp_typmod_check, intervaltypmodin).
func (t Type) Typmod() int32 {
	if len(t.Mods) == 0 {
		if t.Kind == Char {
			return 1 + 4 // char is char(1)
		}
		return -1
	}
	if t.IsBpchar() {
		return -1
	}
	switch t.Kind {
	case Varchar, Char:
		return int32(t.Mods[0]) + 4
	case Numeric:
		scale := 0
		if len(t.Mods) > 1 {
			scale = t.Mods[1]
		}
		return int32(t.Mods[0])<<16 | int32(scale&0x7ff) + 4
	case Interval:
		return AllIntervalFields<<16 | int32(t.Mods[0])
	default:
		return int32(t.Mods[0])
	}
}

// AllIntervalFields is the upper half of the typmod of an interval that is not held to
// some fields (INTERVAL_FULL_RANGE).
const AllIntervalFields = 0x7fff

// String is the type as format_type() prints it.
func (t Type) String() string {
	name := string(t.Kind)
	if n, ok := sqlNames[t.Kind]; ok {
		name = n
	}
	switch {
	case t.IsBpchar():
		name = "bpchar"
	case len(t.Mods) > 0:
		mods := make([]string, len(t.Mods))
		for i, m := range t.Mods {
			mods[i] = strconv.Itoa(m)
		}
		list := "(" + strings.Join(mods, ",") + ")"
		if head, tail, ok := strings.Cut(name, " with"); ok { // timestamp(3) with time zone
			name = head + list + " with" + tail
		} else {
			name += list
		}
	}
	if t.Array {
		name += "[]"
	}
	return name
}

// ParseType reads a type as SQL writes it: "varchar(20)", "timestamp with time
// zone", "text[]", "numeric(10, 2)".
func ParseType(s string) (Type, error) {
	rest := strings.Join(strings.Fields(strings.ToLower(s)), " ")
	t := Type{}
	if base, ok := strings.CutSuffix(rest, "[]"); ok {
		t.Array, rest = true, strings.TrimSpace(base)
	}
	if open := strings.IndexByte(rest, '('); open >= 0 {
		end := strings.IndexByte(rest, ')')
		if end < open {
			return Type{}, fmt.Errorf("type %q: the bracket is not closed", s)
		}
		for _, field := range strings.Split(rest[open+1:end], ",") {
			n, err := strconv.Atoi(strings.TrimSpace(field))
			if err != nil {
				return Type{}, fmt.Errorf("type %q: %q is not a number", s, field)
			}
			t.Mods = append(t.Mods, n)
		}
		rest = strings.TrimSpace(rest[:open]) + rest[end+1:]
	}
	if strings.HasPrefix(rest, "interval ") {
		return Type{}, fmt.Errorf("type %q: pgseal seals no interval that is held to some fields; use interval, or interval(3)", s)
	}
	if kind, ok := aliases[rest]; ok {
		t.Kind = kind
	} else if _, ok := oids[Kind(rest)]; ok {
		t.Kind = Kind(rest)
	} else {
		return Type{}, fmt.Errorf("type %q: not one that pgseal can seal; it knows %s", s, KnownTypes())
	}
	return t, t.checkMods(s)
}

// checkMods holds the modifiers to the bounds that Postgres has for them.
func (t Type) checkMods(s string) error {
	most, low, high := 0, 0, 0
	switch t.Kind {
	case Varchar, Char:
		most, low, high = 1, 1, 10485760
	case Numeric:
		most, low, high = 2, 1, 1000
	case Time, TimeTZ, Timestamp, TimestampTZ, Interval:
		most, low, high = 1, 0, 6
	}
	if len(t.Mods) > most {
		return fmt.Errorf("type %q: takes %d modifiers at most", s, most)
	}
	for i, m := range t.Mods {
		if i == 1 { // numeric's scale
			low, high = -1000, 1000
		}
		if m < low || m > high {
			return fmt.Errorf("type %q: %d is not between %d and %d", s, m, low, high)
		}
	}
	return nil
}

// KnownTypes lists the types that a column can have, for messages.
func KnownTypes() string {
	names := make([]string, 0, len(oids))
	for k := range oids {
		names = append(names, Type{Kind: k}.String())
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
