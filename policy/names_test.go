package policy

import (
	"strings"
	"testing"
)

var nameSeeds = []string{"spans", "public.spans", `audit."Call Log"`, `"a""b"."c.d"`, `"`, ".", "a.b.c", "ä.ö", "$1"}

// FuzzParseTableName: what parses can be quoted and parses to the same again.
func FuzzParseTableName(f *testing.F) {
	for _, s := range nameSeeds {
		f.Add(s)
	}
	quote := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
	f.Fuzz(func(t *testing.T, s string) {
		schema, name, err := parseTableName(s)
		if err != nil {
			return
		}
		if schema == "" || name == "" || len(schema) > maxIdentifier || len(name) > maxIdentifier {
			t.Fatalf("%q gives %q and %q", s, schema, name)
		}
		again, nameAgain, err := parseTableName(quote(schema) + "." + quote(name))
		if err != nil || again != schema || nameAgain != name {
			t.Fatalf("%q gives %q and %q, quoted %q and %q, %v", s, schema, name, again, nameAgain, err)
		}
	})
}

func TestParseTableName(t *testing.T) {
	for in, want := range map[string][2]string{
		"spans":            {"public", "spans"},
		"s.t":              {"s", "t"},
		"a$1.b_2":          {"a$1", "b_2"},
		`audit."Call Log"`: {"audit", "Call Log"},
		`"a""b"."c.d"`:     {`a"b`, "c.d"},
		"größe":            {"public", "größe"},
	} {
		schema, name, err := parseTableName(in)
		if err != nil || schema != want[0] || name != want[1] {
			t.Errorf("%q: got %q, %q, %v", in, schema, name, err)
		}
	}
}
