package policy

import (
	"strings"
	"testing"
)

// The numbers are pg_type's oid, typlen and the typmod in pg_attribute, seen on
// Postgres 15.
func TestParseType(t *testing.T) {
	tests := []struct {
		in, name string
		oid      uint32
		size     int16
		typmod   int32
	}{
		{"text", "text", 25, -1, -1},
		{"TEXT[]", "text[]", 1009, -1, -1},
		{" varchar ( 20 ) ", "character varying(20)", 1043, -1, 24},
		{"character varying", "character varying", 1043, -1, -1},
		{"varchar(3)[]", "character varying(3)[]", 1015, -1, 7},
		{"char", "character", 1042, -1, 5},
		{"bpchar(2)", "character(2)", 1042, -1, 6},
		{"json", "json", 114, -1, -1},
		{"jsonb", "jsonb", 3802, -1, -1},
		{"bytea", "bytea", 17, -1, -1},
		{"boolean", "boolean", 16, 1, -1},
		{"smallint", "smallint", 21, 2, -1},
		{"int", "integer", 23, 4, -1},
		{"int4[]", "integer[]", 1007, -1, -1},
		{"bigint", "bigint", 20, 8, -1},
		{"real", "real", 700, 4, -1},
		{"double  precision", "double precision", 701, 8, -1},
		{"numeric", "numeric", 1700, -1, -1},
		{"numeric(10)", "numeric(10)", 1700, -1, 655364},
		{"decimal(10, 2)", "numeric(10,2)", 1700, -1, 655366},
		{"numeric(3,-2)", "numeric(3,-2)", 1700, -1, 198658},
		{"uuid", "uuid", 2950, 16, -1},
		{"date", "date", 1082, 4, -1},
		{"time", "time without time zone", 1083, 8, -1},
		{"timetz", "time with time zone", 1266, 12, -1},
		{"timestamp(3)", "timestamp(3) without time zone", 1114, 8, 3},
		{"timestamp (3) with time zone", "timestamp(3) with time zone", 1184, 8, 3},
		{"timestamptz", "timestamp with time zone", 1184, 8, -1},
		{"interval", "interval", 1186, 16, -1},
		{"interval(3)", "interval(3)", 1186, 16, 2147418115},
		{"inet", "inet", 869, -1, -1},
		{"cidr", "cidr", 650, -1, -1},
		{"macaddr", "macaddr", 829, 6, -1},
	}
	for _, test := range tests {
		got, err := ParseType(test.in)
		if err != nil {
			t.Errorf("%q: %v", test.in, err)
			continue
		}
		if got.String() != test.name || got.OID() != test.oid || got.Size() != test.size || got.Typmod() != test.typmod {
			t.Errorf("%q: got %s, oid %d, size %d, typmod %d; want %s, %d, %d, %d", test.in,
				got, got.OID(), got.Size(), got.Typmod(), test.name, test.oid, test.size, test.typmod)
		}
	}
}

func TestParseTypeRefuses(t *testing.T) {
	unknown := ": not one that pgseal can seal; it knows " + KnownTypes()
	tests := map[string]string{
		"":                       `type ""` + unknown,
		"xml":                    `type "xml"` + unknown,
		"text[][]":               `type "text[][]"` + unknown,
		"char(3)x":               `type "char(3)x"` + unknown,
		"varchar(20":             `type "varchar(20": the bracket is not closed`,
		")varchar(":              `type ")varchar(": the bracket is not closed`,
		"varchar()":              `type "varchar()": "" is not a number`,
		"varchar(a)":             `type "varchar(a)": "a" is not a number`,
		"varchar(1,2)":           `type "varchar(1,2)": takes 1 modifiers at most`,
		"text(1)":                `type "text(1)": takes 0 modifiers at most`,
		"numeric(0)":             `type "numeric(0)": 0 is not between 1 and 1000`,
		"numeric(1,2,3)":         `type "numeric(1,2,3)": takes 2 modifiers at most`,
		"numeric(5,1001)":        `type "numeric(5,1001)": 1001 is not between -1000 and 1000`,
		"interval(7)":            `type "interval(7)": 7 is not between 0 and 6`,
		"interval day to second": `type "interval day to second": pgseal seals no interval that is held to some fields; use interval, or interval(3)`,
		"timestamp(7)":           `type "timestamp(7)": 7 is not between 0 and 6`,
	}
	for in, want := range tests {
		if _, err := ParseType(in); err == nil || err.Error() != want {
			t.Errorf("%q:\ngot  %v\nwant %s", in, err, want)
		}
	}
}

// typeSeeds are for both the fuzz target and the test that it has some.
var typeSeeds = []string{"text", "varchar(20)[]", "numeric(10, 2)", "timestamp(3) with time zone", "x(", "()", "[]"}

// FuzzParseType: what parses is printed as a type that parses to the same.
func FuzzParseType(f *testing.F) {
	for _, s := range typeSeeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		first, err := ParseType(s)
		if err != nil {
			return
		}
		second, err := ParseType(first.String())
		if err != nil {
			t.Fatalf("%q is printed as %q: %v", s, first, err)
		}
		if second.String() != first.String() || second.OID() != first.OID() || second.Typmod() != first.Typmod() {
			t.Fatalf("%q: %s reads back as %s", s, first, second)
		}
	})
}

func TestFuzzTargetsHaveSeeds(t *testing.T) {
	if len(typeSeeds) < 5 || len(nameSeeds) < 5 {
		t.Error("a fuzz target has too few seeds")
	}
}

func TestKnownTypesNamesThemAll(t *testing.T) {
	names := strings.Split(KnownTypes(), ", ")
	if len(names) != len(oids) {
		t.Errorf("%d names for %d types", len(names), len(oids))
	}
	for _, name := range names {
		if _, err := ParseType(name); err != nil {
			t.Error(err)
		}
	}
}
