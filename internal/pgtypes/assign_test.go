package pgtypes_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/policy"
)

// declaredTexts are the types that parameters are declared as, with values.
var declaredTexts = map[uint32][]string{
	16:   {"t", "f"},                                                                     // bool
	17:   {`\x00ff`},                                                                     // bytea
	19:   {"name"},                                                                       // name
	20:   {"0", "-1", "40000", "3000000000", "-9223372036854775808", "9007199254740993"}, // int8
	21:   {"7", "-32768"},                                                                // int2
	23:   {"0", "123456789", "-40000"},                                                   // int4
	26:   {"0", "4294967295"},                                                            // oid
	25:   {"", "abc", "abc  ", "1", "{}"},                                                // text
	114:  {`{"b":1, "a":2}`, "null", "1"},                                                // json
	700:  {"0", "1.5", "2.5", "-0.5", "0.1", "3e38", "1e-45", "NaN", "Infinity", "123456.789", "16777216", "-0"},
	701:  {"0", "1.5", "2.5", "-2.5", "0.1", "1e300", "1e-300", "NaN", "-Infinity", "123456789.123456789", "1e15", "1e20", "1e-7", "32767.4", "32767.5", "-32768.5", "2147483647.5", "9223372036854775807", "1.25e-5", "100000", "-0"},
	1042: {"", "ab  ", "  "},            // bpchar
	1043: {"", "ab  ", "x", "abcdefgh"}, // varchar
	1082: {"2024-01-02", "infinity", "-infinity", "0001-01-01 BC", "2024-03-31", "5874897-12-31", "294276-12-31"},
	1114: {"2024-01-02 03:04:05.678", "infinity", "-infinity", "2024-03-31 02:30", "2024-10-27 02:30", "0044-03-15 12:00 BC", "294276-12-31 23:59:59.999999"},
	1184: {"2024-01-02 03:04:05.678+00", "infinity", "-infinity", "2024-07-01 22:30Z", "294276-12-31 23:59:59.999999+00", "4714-11-24 00:00:00+00 BC"},
	1700: {"0", "1.5", "2.5", "-2.5", "-0.5", "32767.5", "1e10", "9223372036854775807.4", "9223372036854775807.5", "1e-400", "1e400", "NaN", "Infinity", "-Infinity", "0.1", "1e39", "123.4500"},
	2950: {"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"}, // uuid
	3802: {`{"b": 1, "a": 2}`, "1.50"},             // jsonb
	869:  {"10.1.2.3", "10.1.2.3/8", "::1"},        // inet
	650:  {"10.0.0.0/8"},                           // cidr
	829:  {"08:00:2b:01:02:03"},                    // macaddr
	705:  {"abc"},                                  // unknown
	142:  {"<a/>"},                                 // xml
	1009: {"{}"},                                   // text[]
	1083: {"04:05:06.789", "24:00"},                // time
	1266: {"04:05:06.789+01"},                      // timetz
	1186: {"1 day", "1 year 01:02:03.456"},         // interval
}

var columnTypes = []string{
	"text", "varchar", "varchar(4)", "char(3)", "char", "json", "jsonb", "bytea", "bool", "int2", "int4", "int8", "float4", "float8",
	"numeric", "numeric(6,2)", "uuid", "date", "timestamp", "timestamp(0)", "timestamptz", "timestamptz(1)", "inet", "cidr", "macaddr", "interval", "interval(2)", "time", "timetz", "time(1)",
}

// notConverted are assignments that Postgres has and pgseal refuses, as
// docs/types.md says.
func notConverted(declared uint32, typ, text, zone string) bool {
	t, _ := policy.ParseType(typ)
	switch {
	case (declared == 1114 || declared == 1184) && (t.Kind == policy.Time || t.Kind == policy.TimeTZ) && strings.HasSuffix(text, "infinity"):
		return declared == 1184 || t.Kind == policy.Time
	case declared == 1083 && t.Kind == policy.TimeTZ: // of today
		return zone != "UTC"
	}
	character := t.Kind == policy.Text || t.Kind == policy.Varchar || t.Kind == policy.Char
	return character && (declared == 17 || declared == 142)
}

// TestAssign declares a parameter as one type and assigns it to a column of
// another.
func TestAssign(t *testing.T) {
	o := newOracle(t)
	for _, zone := range []string{"UTC", "Europe/Berlin"} {
		o.exec("SET TimeZone = '" + zone + "'")
		for declared, list := range declaredTexts {
			for _, typ := range columnTypes {
				for _, text := range list {
					if notConverted(declared, typ, text, zone) {
						_, err := ours(typ, declared, []byte(text), pgtypes.Text, pgtypes.Text, o.env())
						var e *pgerr.Error
						if !errors.As(err, &e) || e.Code != pgerr.FeatureNotSupported {
							t.Errorf("%s from %d: %v, want 0A000", typ, declared, err)
						}
						continue
					}
					o.check(typ, declared, []byte(text), pgtypes.Text)
					if c, ok := pgtypes.OIDCodec(declared); ok {
						canonical, err := c.Canonical(nil, []byte(text), pgtypes.Text, o.env())
						if err != nil {
							continue
						}
						binary, err := c.Append([]byte{}, canonical, pgtypes.Binary, o.env())
						if err != nil {
							t.Fatal(err)
						}
						o.check(typ, declared, binary, pgtypes.Binary)
					}
				}
			}
		}
	}
	t.Logf("%d values compared with Postgres %d", o.counted, o.version)
}

func TestAssignRefusesTypesThatItDoesNotKnow(t *testing.T) {
	for _, typ := range columnTypes {
		to, err := policy.ParseType(typ)
		if err != nil {
			t.Fatal(err)
		}
		var e *pgerr.Error
		if err := pgtypes.Assignable(123456, to, "c"); !errors.As(err, &e) || e.Code != pgerr.FeatureNotSupported {
			t.Errorf("%s: %v, want 0A000", typ, err)
		}
	}
}

func TestAppendText(t *testing.T) {
	env := pgtypes.NewEnv(pgtypes.Settings{DateStyle: "ISO, MDY", IntervalStyle: "postgres", TimeZone: "UTC", ClientEncoding: "UTF8"})
	for _, tt := range []struct {
		oid   uint32
		f     pgtypes.Format
		value string
		want  string
	}{
		{25, pgtypes.Text, "acme", "acme"}, {25, pgtypes.Binary, " acme ", " acme "}, {1043, pgtypes.Binary, "acme", "acme"},
		{1042, pgtypes.Text, "acme  ", "acme"}, {19, pgtypes.Text, "acme", "acme"}, {705, pgtypes.Text, "acme", "acme"},
		{21, pgtypes.Binary, "\x00\x07", "7"}, {23, pgtypes.Text, " 0042 ", "42"}, {23, pgtypes.Binary, "\xff\xff\xff\xff", "-1"},
		{20, pgtypes.Binary, "\x00\x00\x00\x00\x00\x00\x01\x00", "256"}, {26, pgtypes.Binary, "\xff\xff\xff\xff", "4294967295"}, {26, pgtypes.Text, " 7", "7"},
		{2950, pgtypes.Text, "{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"}, {2950, pgtypes.Binary, "0123456789abcdef", "30313233-3435-3637-3839-616263646566"},
	} {
		got, err := pgtypes.AppendText([]byte("x:"), []byte(tt.value), tt.f, tt.oid, env)
		if err != nil || string(got) != "x:"+tt.want {
			t.Errorf("%d %q: %q, %v, want %q", tt.oid, tt.value, got, err, tt.want)
		}
	}
	for oid, value := range map[uint32]string{25: "\xff", 23: "x", 2950: "x", 123456: "acme"} {
		if got, err := pgtypes.AppendText([]byte("x:"), []byte(value), pgtypes.Text, oid, env); err == nil || string(got) != "x:" {
			t.Errorf("%d %q: %q, %v, want an error and nothing appended", oid, value, got, err)
		}
	}
}

// TestAssignCut casts a parameter to a column's type, which cuts it.
func TestAssignCut(t *testing.T) {
	o := newOracle(t)
	for declared, list := range map[uint32][]string{
		0: {"", "abcdefgh", "abcde   ", "éèêëēab", "ab"}, 25: {"abcdefgh"}, 23: {"12345678", "-1"}, 1042: {"ab      ", "abcdefgh"}, 1700: {"1234.5678", "1e3"},
	} {
		for _, typ := range []string{"varchar(5)", "char(5)", "char"} {
			to, err := policy.ParseType(typ)
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range list {
				want := o.conn.ExecParams(t.Context(), "SELECT $1::"+typ, [][]byte{[]byte(text)}, []uint32{declared}, nil, nil).Read()
				if want.Err != nil {
					t.Fatal(want.Err)
				}
				got, err := pgtypes.AssignCut([]byte("x:"), []byte(text), pgtypes.Text, declared, to, "c", o.env())
				if err != nil || string(got) != "x:"+string(want.Rows[0][0]) {
					t.Errorf("%q (declared %d) as %s: %q, %v, want %q", text, declared, typ, got, err, want.Rows[0][0])
				}
			}
		}
	}
	_, err := pgtypes.AssignCut(nil, []byte("\xff"), pgtypes.Text, 0, policy.Type{Kind: policy.Varchar, Mods: []int{1}}, "c", o.env())
	wantError(t, "no UTF-8", err, pgerr.CharacterNotInRepertory)
}
