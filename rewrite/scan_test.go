package rewrite

import (
	"strings"
	"testing"
)

var scanTests = []struct {
	text    string
	parse   bool
	effects Effects
}{
	{"", false, 0},
	{"SELECT 1", false, 0},
	{"SELECT * FROM users WHERE name = $1", false, 0},
	{"SELECT * FROM spans", true, 0},
	{"SELECT * FROM SpAnS", true, 0},
	{"SELECT * FROM public.spans;", true, 0},
	{"SELECT * FROM spans2", false, 0},
	{"SELECT * FROM myspans", false, 0},
	{"SELECT * FROM _spans", false, 0},
	{"SELECT * FROM spans$", true, 0},
	{"SELECT 1spans", true, 0},
	{"SELECT $tag$spans$tag$", true, 0},
	{"SELECT 'spans'", true, 0},
	{"-- spans", true, 0},
	{`SELECT * FROM "spans"`, true, 0},
	{`SELECT * FROM audit."My Log"`, true, 0},
	{`SELECT 'it"s' FROM audit."My Log"`, true, 0},
	{`SELECT * FROM audit."my log"`, true, 0}, // folded: over-approximated
	{`SELECT * FROM audit.My Log`, false, 0},
	{`SELECT * FROM "audit.My Log"`, false, 0},
	{`SELECT * FROM U&"\0073pans"`, true, 0},
	{`SELECT * FROM u&"\0073pans"`, true, 0},
	{`SELECT U&'\0073pans'`, false, 0},
	{`SELECT "a""b"`, false, 0}, // no sealed name has a quote in it
	{`SELECT '{"a": ""}'`, false, 0},
	{`SELECT $a$x$a$u&"\0073pans"`, true, 0},
	{"SELECT $$x$$INTO t2", false, ChangesCatalog},
	{"SELECT 1 AS a$update; SET x.y = 1", false, ChangesSettings},
	{"SELECT * FROM events_1", true, 0},
	{"SELECT * FROM span_view", true, 0},
	{"SELECT * FROM span_names", false, 0},
	{"SELECT * FROM planned", true, 0}, // of the policy, not yet in the database
	{"SELECT * FROM " + strings.Repeat("x", 100), false, 0},
	{"CREATE TABLE t (id int)", false, ChangesCatalog},
	{"create index on users (id)", false, ChangesCatalog},
	{"ALTER TABLE users ADD x int", false, ChangesCatalog},
	{"DROP TABLE users", false, ChangesCatalog},
	{"IMPORT FOREIGN SCHEMA s FROM SERVER f INTO t", false, ChangesCatalog},
	{"SELECT 1 INTO t2", false, ChangesCatalog},
	{"INSERT INTO users VALUES (1)", false, 0},
	{"UPDATE users SET name = 'x'", false, 0},
	{"INSERT INTO users VALUES (1) ON CONFLICT (id) DO UPDATE SET name = 'x'", false, 0},
	{"MERGE INTO users u USING t ON true WHEN MATCHED THEN UPDATE SET name = 'x'", false, 0},
	{"SET search_path = x", false, ChangesSettings},
	{"UPDATE users SET a = 1; SET x.y = 1", false, ChangesSettings},
	{"SELECT 1 FROM users FOR UPDATE; SET x.y = 1", false, ChangesSettings},
	{"/* update */ SET x.y = 1", false, ChangesSettings},
	{"-- update\nSET x.y = 1", false, ChangesSettings},
	{"UPDATE users SET name = 'x' /* route */", false, 0},
	{"SELECT set_config('a.b', 'c', true)", false, ChangesSettings},
	{"RESET ALL", false, ChangesSettings},
	{"ROLLBACK", false, ChangesSettings},
	{"ABORT", false, ChangesSettings},
	{"BEGIN", false, 0},
	{"DO $$ BEGIN END $$", true, ChangesCatalog | ChangesSettings},
	{"CALL f()", false, ChangesCatalog},
	{"PREPARE p AS SELECT 1", true, NamesStatements},
	{"DEALLOCATE p", true, NamesStatements},
	{"EXECUTE p", true, ExecutesStatements},
	{"SELECT * FROM PG_Attribute", true, 0},
	{`SELECT * FROM "information_schema"."columns"`, true, 0},
	{"SELECT * FROM columns", false, 0},
	{"SELECT pg_attribute2", false, 0},
	{"DISCARD ALL", true, ChangesCatalog | ChangesSettings | NamesStatements},
}

func TestScan(t *testing.T) {
	r := New(fixture(), Limits{})
	for _, test := range scanTests {
		parse, effects := r.Scan([]byte(test.text))
		if parse != test.parse || effects != test.effects {
			t.Errorf("%s: %v, %04b; want %v, %04b", test.text, parse, effects, test.parse, test.effects)
		}
	}
}

// A name that Postgres cuts off stands for a sealed table of the shorter name.
func TestScanCutsLongNamesOff(t *testing.T) {
	name := strings.Repeat("n", maxIdentifier)
	r := New(snapshotOf(name), Limits{})
	for _, text := range []string{"SELECT * FROM " + name, "SELECT * FROM " + name + "nnn", `SELECT * FROM "` + name + `nnn"`, "SELECT 1 FROM " + strings.ToUpper(name) + "X"} {
		if parse, _ := r.Scan([]byte(text)); !parse {
			t.Errorf("%s is not seen", text)
		}
	}
	if parse, _ := r.Scan([]byte("SELECT * FROM " + name[1:])); parse {
		t.Error("a shorter name is taken for it")
	}
}

func TestScanFoldsBeyondASCII(t *testing.T) {
	r := New(snapshotOf("Äpfel"), Limits{})
	for _, text := range []string{`SELECT * FROM "Äpfel"`, `SELECT * FROM Äpfel`} {
		if parse, _ := r.Scan([]byte(text)); !parse {
			t.Errorf("%s is not seen", text)
		}
	}
}

// A doubled quote matters where a sealed name has a quote in it, in a DO block's
// body too. A text that can't be read is refused then, not relayed.
func TestScanDoubledQuotes(t *testing.T) {
	r := New(snapshotOf(`a"b`), Limits{})
	for _, text := range []string{`SELECT * FROM "a""b"`, `SELECT * FROM U&"a\0022b"`, `DO 'BEGIN PERFORM * FROM "a""b"; END'`, `DO $$BEGIN PERFORM * FROM U&"a\0022b"; END$$`} {
		if parse, _ := r.Scan([]byte(text)); !parse {
			t.Errorf("%s is not seen", text)
		}
		for _, standard := range []bool{true, false} {
			p := r.Plan(text, Env{StandardStrings: standard, UTF8: true, SearchPath: []string{"public"}, CatalogIsFresh: true})
			seen := p.Refusal != nil || len(p.Statements) == 1 && (p.Statements[0].Refusal != nil || len(p.Statements[0].Outputs) == 1)
			if !seen {
				t.Errorf("%s is relayed (standard strings: %v)", text, standard)
			}
		}
	}
	if parse, _ := r.Scan([]byte(`SELECT * FROM "a" "b", 'a"b'`)); parse {
		t.Error("a name without a quote is taken for it")
	}
}

func TestScanDoesNotAllocate(t *testing.T) {
	for _, r := range []*Rewriter{New(fixture(), Limits{}), New(snapshotOf("Äpfel"), Limits{})} {
		for name, text := range scanTexts {
			data := []byte(text)
			if n := testing.AllocsPerRun(100, func() { r.Scan(data) }); n != 0 {
				t.Errorf("%s: %v allocations", name, n)
			}
		}
	}
}

var plainText = strings.Repeat(`SELECT u.id, u.name, count(*) FROM users u LEFT JOIN orders o ON o.user_id = u.id AND o.state IN ('paid', 'sent') WHERE u.created_at > $1 GROUP BY u.id, u.name ORDER BY 3 DESC LIMIT 100 `, 10)

var scanTexts = map[string]string{
	"sql":    plainText,
	"json":   "INSERT INTO users (name) VALUES ('" + strings.Repeat(`{"http.method": "GET", "http.status_code": 200, "net.peer.ip": "10.0.0.1"}`, 30) + "')",
	"base64": "INSERT INTO users (name) VALUES ('" + strings.Repeat("QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0NTY3ODk", 30) + "')",
	"utf8":   "INSERT INTO users (name) VALUES ('" + strings.Repeat("Über die Straße, à côté; 東京都渋谷区 のデータ ", 30) + "')",
}

func BenchmarkScan(b *testing.B) {
	r := New(fixture(), Limits{})
	for name, text := range scanTexts {
		b.Run(name, func(b *testing.B) {
			data := []byte(text)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				r.Scan(data)
			}
		})
	}
}
