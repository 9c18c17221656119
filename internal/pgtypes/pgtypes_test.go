package pgtypes_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/policy"
)

var utc = pgtypes.NewEnv(pgtypes.Settings{DateStyle: "ISO, MDY", IntervalStyle: "postgres", TimeZone: "UTC", ClientEncoding: "UTF8"})

func codec(tb testing.TB, typ string) pgtypes.Codec {
	tb.Helper()
	t, err := policy.ParseType(typ)
	if err != nil {
		tb.Fatal(err)
	}
	c, err := pgtypes.For(t)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// wantError holds an error to its SQLSTATE.
func wantError(t *testing.T, what string, err error, code string) *pgerr.Error {
	t.Helper()
	var e *pgerr.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("%s: %v, want %s", what, err, code)
	}
	return e
}

func TestEachTypeHasACodec(t *testing.T) {
	for _, name := range strings.Split(policy.KnownTypes(), ", ") {
		for _, typ := range []string{name, name + "[]"} {
			to, err := policy.ParseType(typ)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := pgtypes.For(to); err != nil {
				t.Error(err)
			}
			if _, ok := pgtypes.OIDCodec(to.OID()); !ok {
				t.Errorf("%s is not found by its OID", typ)
			}
		}
	}
}

// TestCanonicalBytes holds the bytes that are sealed, for good: values that were
// sealed once must open for ever.
func TestCanonicalBytes(t *testing.T) {
	for _, tt := range []struct{ typ, text, want string }{
		{"text", "Grüße", "Grüße"}, {"varchar(5)", "abc", "abc"}, {"varchar(5)", "abcde  ", "abcde"}, {"char(5)", "ab", "ab   "},
		{"json", `{"b":1,"a":1.0}`, `{"b":1,"a":1.0}`}, {"jsonb", `{"b":1,"a":1.0,"b":1e2}`, `{"a": 1.0, "b": 100}`},
		{"bytea", `\x00ff`, "\x00\xff"}, {"bool", "yes", "\x01"}, {"bool", "f", "\x00"},
		{"int2", "-2", "\xff\xfe"}, {"int4", "1", "\x00\x00\x00\x01"}, {"int8", "-1", "\xff\xff\xff\xff\xff\xff\xff\xff"},
		{"float4", "1.5", "\x3f\xc0\x00\x00"}, {"float8", "-1.5", "\xbf\xf8\x00\x00\x00\x00\x00\x00"},
		{"numeric", "1.50e1", "15.0"}, {"numeric(5,2)", "1.005", "1.01"}, {"numeric", "nan", "NaN"}, {"numeric", "inf", "Infinity"},
		{"uuid", "{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}", "\xa0\xee\xbc\x99\x9c\x0b\x4e\xf8\xbb\x6d\x6b\xb9\xbd\x38\x0a\x11"},
		{"date", "2000-01-02", "\x00\x00\x00\x01"}, {"date", "-infinity", "\x80\x00\x00\x00"},
		{"timestamp", "2000-01-01 00:00:00.000001", "\x00\x00\x00\x00\x00\x00\x00\x01"}, {"timestamptz", "2000-01-01 02:00+02", "\x00\x00\x00\x00\x00\x00\x00\x00"},
		{"time", "24:00", "\x00\x00\x00\x14\x1d\xd7\x60\x00"}, {"timetz", "00:00:00.000001+01", "\x00\x00\x00\x00\x00\x00\x00\x01\xff\xff\xf1\xf0"},
		{"interval", "-1 year 2 days 00:00:01", "\x00\x00\x00\x00\x00\x0f\x42\x40\x00\x00\x00\x02\xff\xff\xff\xf4"},
		{"inet", "192.168.0.1/24", "\x18\xc0\xa8\x00\x01"}, {"cidr", "::/0", "\x00" + strings.Repeat("\x00", 16)}, {"macaddr", "08002b:010203", "\x08\x00\x2b\x01\x02\x03"},
		{"text[]", "{}", ""}, {"int2[]", "[2:3]={5,NULL}", "\x00\x00\x00\x02\x00\x00\x00\x02\x00\x05\xff\xff\xff\xff"},
		{"timestamptz", "infinity", "\x7f\xff\xff\xff\xff\xff\xff\xff"},
	} {
		got, err := codec(t, tt.typ).Canonical([]byte("x:"), []byte(tt.text), pgtypes.Text, utc)
		if err != nil || string(got) != "x:"+tt.want {
			t.Errorf("%s %q: %q, %v, want %q", tt.typ, tt.text, got, err, tt.want)
		}
	}
}

func TestErrorsKeepDstAndHideValues(t *testing.T) {
	const value = "my s3cret"
	for _, typ := range []string{"json", "jsonb", "bool", "int2", "int4", "int8", "float4", "float8", "numeric", "uuid", "date", "time", "timetz", "timestamp", "timestamptz", "interval", "inet", "cidr", "macaddr", "text[]", "int4[]"} {
		for _, f := range []pgtypes.Format{pgtypes.Text, pgtypes.Binary} {
			got, err := codec(t, typ).Canonical([]byte("x:"), []byte(value), f, utc)
			if err == nil || string(got) != "x:" {
				t.Errorf("%s in format %d: %q, %v, want an error and nothing appended", typ, f, got, err)
				continue
			}
			if strings.Contains(err.Error(), value) {
				t.Errorf("%s in format %d: the error shows the value to a log: %v", typ, f, err)
			}
		}
	}
}

func TestWrongCanonicalBytesAreAnError(t *testing.T) {
	for _, typ := range []string{"bool", "int2", "int4", "int8", "float4", "float8", "numeric", "uuid", "date", "time", "timetz", "timestamp", "timestamptz", "interval", "inet", "cidr", "macaddr"} {
		for _, f := range []pgtypes.Format{pgtypes.Text, pgtypes.Binary} {
			if got, err := codec(t, typ).Append([]byte("x:"), nil, f, utc); err == nil || string(got) != "x:" {
				t.Errorf("%s in format %d: %q, %v, want an error and nothing appended", typ, f, got, err)
			}
		}
	}
}

func TestOtherEncodingsAreASCIIOnly(t *testing.T) {
	latin := pgtypes.NewEnv(pgtypes.Settings{DateStyle: "ISO, MDY", IntervalStyle: "postgres", TimeZone: "UTC", ClientEncoding: "SJIS"})
	for _, typ := range []string{"text", "varchar(5)", "char(5)", "json", "jsonb"} {
		c := codec(t, typ)
		plain, other := []byte("1"), []byte("\xe9")
		if typ == "jsonb" || typ == "json" {
			other = []byte("\"\xe9\"")
		}
		for _, f := range []pgtypes.Format{pgtypes.Text, pgtypes.Binary} {
			if typ == "jsonb" && f == pgtypes.Binary {
				plain, other = []byte("\x011"), []byte("\x01\"\xe9\"")
			}
			if _, err := c.Canonical(nil, plain, f, latin); err != nil {
				t.Errorf("%s in format %d: %v", typ, f, err)
			}
			_, err := c.Canonical(nil, other, f, latin)
			wantError(t, typ, err, pgerr.FeatureNotSupported)
			_, err = c.Append(nil, []byte(`"é"`), f, latin)
			wantError(t, typ, err, pgerr.FeatureNotSupported)
		}
	}
	if got, err := codec(t, "bytea").Canonical(nil, []byte("\xe9"), pgtypes.Binary, latin); err != nil || string(got) != "\xe9" {
		t.Errorf("bytea: %q, %v", got, err)
	}
}

func TestSettingsThatAreNotKnown(t *testing.T) {
	c := codec(t, "timestamptz")
	moment := make([]byte, 8)
	for name, env := range map[string]*pgtypes.Env{
		"zone":       pgtypes.NewEnv(pgtypes.Settings{DateStyle: "ISO, MDY", IntervalStyle: "postgres", TimeZone: "Mars/Phobos", ClientEncoding: "UTF8"}),
		"local zone": pgtypes.NewEnv(pgtypes.Settings{DateStyle: "ISO, MDY", IntervalStyle: "postgres", TimeZone: "localtime", ClientEncoding: "UTF8"}),
		"Go's Local": pgtypes.NewEnv(pgtypes.Settings{DateStyle: "ISO, MDY", IntervalStyle: "postgres", TimeZone: "Local", ClientEncoding: "UTF8"}),
		"with DST":   pgtypes.NewEnv(pgtypes.Settings{DateStyle: "ISO, MDY", IntervalStyle: "postgres", TimeZone: "FOO5BAR", ClientEncoding: "UTF8"}),
		"none":       pgtypes.NewEnv(pgtypes.Settings{DateStyle: "ISO, MDY", IntervalStyle: "postgres", TimeZone: "", ClientEncoding: "UTF8"}),
		"style":      pgtypes.NewEnv(pgtypes.Settings{DateStyle: "Stardate", IntervalStyle: "postgres", TimeZone: "UTC", ClientEncoding: "UTF8"}),
	} {
		_, err := c.Append(nil, moment, pgtypes.Text, env)
		wantError(t, name, err, pgerr.FeatureNotSupported)
		if name != "style" {
			_, err = c.Canonical(nil, []byte("2024-01-02 03:04"), pgtypes.Text, env)
			wantError(t, name, err, pgerr.FeatureNotSupported)
		}
		if got, err := c.Canonical(nil, []byte("2000-01-01 00:00Z"), pgtypes.Text, env); err != nil || !bytes.Equal(got, moment) {
			t.Errorf("%s: a text with an offset needs no setting: %x, %v", name, got, err)
		}
		if got, err := c.Append(nil, moment, pgtypes.Binary, env); err != nil || !bytes.Equal(got, moment) {
			t.Errorf("%s: the binary format needs no setting: %x, %v", name, got, err)
		}
	}
}

func TestJSONIsBounded(t *testing.T) {
	nested := func(n int) []byte { return []byte(strings.Repeat("[", n) + strings.Repeat("]", n)) }
	for _, typ := range []string{"json", "jsonb"} {
		c := codec(t, typ)
		if _, err := c.Canonical(nil, nested(10000), pgtypes.Text, utc); err != nil {
			t.Errorf("%s: 10,000 deep: %v", typ, err)
		}
		_, err := c.Canonical(nil, nested(10001), pgtypes.Text, utc)
		wantError(t, typ, err, pgerr.StatementTooComplex)
		_, err = c.Canonical(nil, bytes.Repeat([]byte("["), 10_000_000), pgtypes.Text, utc)
		wantError(t, typ, err, pgerr.StatementTooComplex)
	}
	// Few bytes that would become many.
	bomb := "[" + strings.Repeat("1e131071,", 2000) + "1]"
	_, err := codec(t, "jsonb").Canonical(nil, []byte(bomb), pgtypes.Text, utc)
	wantError(t, "long numbers", err, pgerr.ProgramLimitExceeded)
}

// TestAllocations holds what the hot path allocates.
func TestAllocations(t *testing.T) {
	dst := make([]byte, 0, 4096)
	// The race detector makes a sync.Pool forget at random.
	const pooled = 10
	for _, tt := range []struct {
		typ, text string
		most      float64 // allocations of Canonical
	}{
		{"text", "some text, grüße", 0}, {"varchar(20)", "some text", 0}, {"char(20)", "some text", 0}, {"bytea", `\x00ff`, 0}, {"uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", 0},
		{"int2", "12345", 0}, {"int4", "12345678", 0}, {"int8", "1234567890123", 0}, {"bool", "true", 0}, {"float8", "1234.5678", 0}, {"float4", "1.5", 0}, {"numeric", "12345.678", 0}, {"numeric(10,2)", "12345.678", 0},
		{"json", `{"a": [1, 2.5, "x"]}`, pooled}, {"jsonb", `{"b": [1, 2.5, "x\n"], "a": {"c": null}}`, pooled},
		{"date", "2024-01-02", 0}, {"timestamp", "2024-01-02 03:04:05.678", 0}, {"timestamptz", "2024-01-02 03:04:05.678+01", 0},
		{"time", "04:05:06.789", 0}, {"timetz", "04:05:06.789+01", 0}, {"interval", "1 year 2 mons 3 days -04:05:06.789", 0}, {"inet", "192.168.0.1/24", 0}, {"cidr", "2001:db8::/32", 0}, {"macaddr", "08:00:2b:01:02:03", 0},
		{"text[]", `{abc,"d e",NULL}`, 2},
	} {
		c := codec(t, tt.typ)
		value, err := c.Canonical(nil, []byte(tt.text), pgtypes.Text, utc)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range []pgtypes.Format{pgtypes.Text, pgtypes.Binary} {
			wire, err := c.Append(nil, value, f, utc)
			if err != nil {
				t.Fatal(err)
			}
			for name, run := range map[string]func() error{
				"Append":    func() (err error) { _, err = c.Append(dst, value, f, utc); return err },
				"Canonical": func() (err error) { _, err = c.Canonical(dst, wire, f, utc); return err },
			} {
				got := testing.AllocsPerRun(200, func() {
					if err := run(); err != nil {
						t.Fatal(err)
					}
				})
				most := tt.most
				if name == "Append" {
					most = 0
				}
				if got > most {
					t.Errorf("%s: %s in format %d: %v allocations, want %v at most", tt.typ, name, f, got, most)
				}
			}
		}
	}
}

func BenchmarkCodecs(b *testing.B) {
	document := `{"http.method": "GET", "http.status_code": 200, "http.url": "https://example.com/a/b?c=d", "attributes": {"a": [1, 2.5, null, true], "b": "text with \"quotes\""}}`
	for _, bb := range []struct{ name, typ, text string }{
		{"text64", "text", strings.Repeat("x", 64)}, {"text16K", "text", strings.Repeat("é", 8<<10)}, {"json", "json", document}, {"jsonb", "jsonb", document},
		{"jsonb16K", "jsonb", "[" + strings.Repeat(document+",", 90) + "1]"}, {"int8", "int8", "1234567890123"}, {"float8", "float8", "1234.5678"},
		{"numeric", "numeric", "12345.678"}, {"uuid", "uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"}, {"timestamptz", "timestamptz", "2024-01-02 03:04:05.678+01"}, {"interval", "interval", "1 year 2 mons 3 days 04:05:06.789"}, {"inet", "inet", "2001:db8::1:2/64"}, {"text[]", "text[]", "{" + strings.Repeat("some text,", 63) + "end}"}, {"bytea1K", "bytea", `\x` + strings.Repeat("00ff", 512)},
	} {
		c := codec(b, bb.typ)
		text := []byte(bb.text)
		value, err := c.Canonical(nil, text, pgtypes.Text, utc)
		if err != nil {
			b.Fatal(err)
		}
		var dst []byte
		run := func(name string, f func() error) {
			b.Run(bb.name+"/"+name, func(b *testing.B) {
				b.SetBytes(int64(len(value)))
				b.ReportAllocs()
				for b.Loop() {
					if err := f(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		run("Canonical", func() (err error) { dst, err = c.Canonical(dst[:0], text, pgtypes.Text, utc); return err })
		run("AppendText", func() (err error) { dst, err = c.Append(dst[:0], value, pgtypes.Text, utc); return err })
		run("AppendBinary", func() (err error) { dst, err = c.Append(dst[:0], value, pgtypes.Binary, utc); return err })
	}
}
