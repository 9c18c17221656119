package rewrite

import (
	"bytes"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/pgseal/pgseal/internal/sqlcorpus"
)

// TestShapes: which values are taken out, and what is left.
func TestShapes(t *testing.T) {
	for text, want := range map[string]string{
		"SELECT 1":                         "SELECT \x02",
		"INSERT INTO t VALUES (1, 'a''b')": "INSERT INTO t VALUES (\x02, \x01)",
		"SELECT 2147483647, 2147483648, 9223372036854775807, 9223372036854775808": "SELECT \x02, \x03, \x03, 9223372036854775808",
		"SELECT 1.5, 1., .5, 1e3, 007, -5":                                        "SELECT \x04, 1., .5, 1e3, 007, -\x02",
		`SELECT "a'1" FROM t2 WHERE x=''`:                                         "SELECT \"a'1\" FROM t2 WHERE x=\x01",
		"SELECT 'a' , 'b'":                                                        "SELECT \x01 , \x01",
		"SELECT 'é', 1":                                                           "SELECT \x01, \x02",
		"SELECT a.1, b":                                                           "SELECT a.1, b",
	} {
		var s Shape
		read := s.Read([]byte(text))
		if string(s.Key()) != want || read != (len(s.values) > 0) {
			t.Errorf("%s: %q, %v, want %q", text, s.Key(), read, want)
		}
	}
	for _, text := range []string{
		"SELECT E'a'", "SELECT e'a\\'b'", "SELECT U&'a'", "SELECT B'1'", "SELECT N'a'", "SELECT date'2020-01-01'", "SELECT $1", "SELECT $$a$$",
		"SELECT 'a' -- 1", "SELECT 1 /* 2 */", "SELECT 'a'\n'b'", "SELECT 'a' --\n'b'", "SELECT 'a", "SELECT \"a", "SELECT '\xff'", "SELECT é'a'",
		"SELECT \x01, 1", "SELECT now()", "SELECT 1, 0x1f", "SELECT 1, 1_000", "SELECT 1, 0b1",
	} {
		var s Shape
		if s.Read([]byte(text)) {
			t.Errorf("%q has the shape %q", text, s.Key())
		}
	}
}

// templateOf plans a text and makes its template.
func templateOf(r *Rewriter, text string, env Env) (*Template, Varies, Shape) {
	var s Shape
	if !s.Read([]byte(text)) {
		return nil, nil, s
	}
	t, varies := r.Template(text, &s, r.Plan(text, env), env, nil)
	return t, varies, s
}

// byTemplate plans other by the template of text; nil when it does not have it.
func byTemplate(r *Rewriter, text, other string, env Env) *Plan {
	t, varies, _ := templateOf(r, text, env)
	if t == nil {
		return nil
	}
	var s Shape
	if !s.Read([]byte(other)) || !t.Fits(s.FixedKey(nil, []byte(other), varies)) {
		return nil
	}
	_, effects := r.Scan([]byte(other))
	return t.Plan([]byte(other), &s, effects)
}

// TestTemplates: what texts have one template, and that it gives what planning gives.
func TestTemplates(t *testing.T) {
	r := New(fixture(), Limits{})
	env := Env{StandardStrings: true, UTF8: true, SearchPath: []string{"pg_catalog", "public"}}
	for _, test := range []struct {
		text, other string
		same        bool
	}{
		{"INSERT INTO spans (id, org_id, note) VALUES (1, 'acme', 'secret')", "INSERT INTO spans (id, org_id, note) VALUES (22, 'acme', 'another''s secret, and set_config')", true},
		{"INSERT INTO spans (id, org_id, note) VALUES (1, 'acme', 'secret')", "INSERT INTO spans (id, org_id, note) VALUES (1, 'globex', 'secret')", false},
		{"INSERT INTO spans (id, org_id, note) VALUES (1, 'acme', 'secret')", "INSERT INTO spans (id, org_id, note) VALUES (3000000000, 'acme', 'secret')", false},
		{"INSERT INTO spans (id, org_id, note) VALUES (1, 'acme', 'a'), (2, 'acme', 'b') RETURNING id, note",
			"INSERT INTO spans (id, org_id, note) VALUES (3, 'acme', 'ccc'), (4, 'acme', '') RETURNING id, note", true},
		{"SELECT note FROM spans WHERE id = 1", "SELECT note FROM spans WHERE id = 2222", true},
		{"SELECT note FROM spans WHERE id = 1 AND org_id = 'acme'", "SELECT note FROM spans WHERE id = 2 AND org_id = 'acme'", true},
		{"SELECT note FROM spans WHERE id = 1 AND org_id = 'acme'", "SELECT note FROM spans WHERE id = 1 AND org_id = 'globex'", false},
		{"SELECT note FROM spans WHERE id = 1 ORDER BY 1", "", false},
		{"SELECT id, note FROM spans WHERE id > 1 ORDER BY 1 LIMIT 10", "SELECT id, note FROM spans WHERE id > 100 ORDER BY 1 LIMIT 20 ", false},
		{"SELECT id, note FROM spans WHERE id > 1 ORDER BY 1 LIMIT 10", "SELECT id, note FROM spans WHERE id > 100 ORDER BY 1 LIMIT 20", true},
		{"SELECT id, note FROM spans WHERE id > 1 ORDER BY 1 LIMIT 10", "SELECT id, note FROM spans WHERE id > 1 ORDER BY 2 LIMIT 10", false},
		{"UPDATE spans SET note = 'a' WHERE id IN (1, 2) AND org_id = 'acme'", "UPDATE spans SET note = 'bb' WHERE id IN (11, 22) AND org_id = 'acme'", true},
		{"UPDATE spans SET note = 'a' WHERE id = 1", "UPDATE spans SET note = 'bbb' WHERE id = 23", true},
		{"SELECT left(note, 3) FROM spans WHERE id = 1", "SELECT left(note, 4) FROM spans WHERE id = 1", false},
		{"SELECT note FROM spans WHERE note = 'a'", "", false},
	} {
		if p := r.Plan(test.text, env); test.other != "" && p.Refusal != nil {
			t.Fatalf("%s: %v", test.text, p.Refusal)
		}
		got := byTemplate(r, test.text, test.other, env)
		if (got != nil) != test.same {
			t.Errorf("%s\n%s\n: one template: %v, want %v", test.text, test.other, got != nil, test.same)
			continue
		}
		if want := r.Plan(test.other, env); got != nil && !reflect.DeepEqual(got, want) {
			t.Errorf("%s\ngot  %+v\nwant %+v", test.other, got, want)
		}
	}
}

// otherValues are what the test puts into texts: what could be an org, what a scan stops
// at, what needs care to be read.
var otherValues = [marks + 1][]string{
	markString: {"''", "'acme'", "'globex'", "'42'", "' 42 '", "'it''s'", "'''' ", "'spans'", "'DROP TABLE spans; --'", "'set_config'", "'a\nb'", "'é'", "'$1'", "'/*'",
		"'00000000-0000-0000-0000-000000000001'", "'{\"a\": 1}'", "'NULL'", "'true'"},
	markInt:     {"0", "1", "2", "3", "42", "2147483647"},
	markBigint:  {"2147483648", "9223372036854775807"},
	markDecimal: {"0.0", "1.5", "42.0", "99999999999999999999.5"},
}

// changed puts other values into a text.
func changed(text string, s *Shape, random *rand.Rand) string {
	var b strings.Builder
	at := 0
	for _, v := range s.values {
		b.WriteString(text[at:v.start])
		if random.IntN(3) == 0 {
			b.WriteString(text[v.start:v.end])
		} else {
			pool := otherValues[v.kind]
			b.WriteString(strings.TrimSpace(pool[random.IntN(len(pool))]))
		}
		at = v.end
	}
	return b.String() + text[at:]
}

// checkTemplate plans texts of a text's shape by its template, and tells how many of
// them it planned. Each must be as if it were planned by itself.
func checkTemplate(t *testing.T, r *Rewriter, text string, env Env, random *rand.Rand) int {
	template, varies, s := templateOf(r, text, env)
	if template == nil {
		return 0
	}
	n := 0
	for range 4 {
		other := changed(text, &s, random)
		var o Shape
		if !o.Read([]byte(other)) || !bytes.Equal(o.Key(), s.Key()) {
			t.Fatalf("%q\nis not of the shape of\n%q", other, text)
		}
		if !template.Fits(o.FixedKey(nil, []byte(other), varies)) {
			continue
		}
		mustParse, effects := r.Scan([]byte(other))
		if !mustParse {
			continue // it names nothing sealed, but in the values of the first
		}
		n++
		if got, want := template.Plan([]byte(other), &o, effects), r.Plan(other, env); !reflect.DeepEqual(got, want) {
			t.Errorf("%q\nby the template of\n%q\ngot  %s\nwant %s", other, text, render(other, got), render(other, want))
		}
	}
	return n
}

// TestTemplatesOfCorpora: every statement that the other tests plan, with other values.
func TestTemplatesOfCorpora(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	planned := 0
	r := New(fixture(), Limits{})
	for _, g := range corpus(t) {
		env := g.env()
		if env.Extended || !env.UTF8 || !env.StandardStrings {
			continue
		}
		planned += checkTemplate(t, r, g.text, env, random)
	}
	files, err := filepath.Glob("testdata/corpus/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	system := readCorpus(t, systemRelations)
	env := Env{StandardStrings: true, UTF8: true, SearchPath: []string{"pg_catalog", "public"}, CatalogIsFresh: true, SealedNames: true}
	for _, file := range files {
		c := readCorpus(t, file)
		r := New(sqlcorpus.Snapshot(system, c), Limits{})
		for i := range c.Statements {
			planned += checkTemplate(t, r, c.Statements[i].Text, env, random)
		}
	}
	if planned < 300 {
		t.Errorf("only %d texts have a template", planned)
	}
	t.Logf("%d texts were planned by templates", planned)
}

// FuzzTemplate: whatever text has a template, other values in it make no difference
// but where they are.
func FuzzTemplate(f *testing.F) {
	for _, g := range corpus(f) {
		f.Add(g.text, uint64(1))
	}
	r := New(fixture(), Limits{})
	f.Fuzz(func(t *testing.T, text string, seed uint64) {
		env := Env{StandardStrings: true, UTF8: true, SearchPath: []string{"pg_catalog", "public"}}
		checkTemplate(t, r, text, env, rand.New(rand.NewPCG(seed, 3)))
	})
}

func BenchmarkTemplate(b *testing.B) {
	r := New(fixture(), Limits{})
	env := Env{StandardStrings: true, UTF8: true, SearchPath: []string{"pg_catalog", "public"}}
	text := "INSERT INTO spans (id, org_id, note) VALUES (1, 'acme', '" + strings.Repeat("x", 1024) + "')"
	template, varies, s := templateOf(r, text, env)
	if template == nil {
		b.Fatal("no template")
	}
	bytes := []byte(text)
	var key []byte
	b.Run("planned", func(b *testing.B) {
		for b.Loop() {
			r.Plan(text, env)
		}
	})
	b.Run("by template", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if !s.Read(bytes) {
				b.Fatal("no shape")
			}
			if key = s.FixedKey(key[:0], bytes, varies); !template.Fits(key) {
				b.Fatal("another template")
			}
			_, effects := r.Scan(bytes)
			template.Plan(bytes, &s, effects)
		}
	})
}
