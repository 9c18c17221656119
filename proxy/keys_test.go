package proxy_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgseal/pgseal/internal/kmsserver"
	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/policy"
)

// codeOf is an error's SQLSTATE, "" for none.
func codeOf(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// eventually waits for a change that the health check brings.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come to be", what)
		}
	}
}

// startWithNotes starts a pgseal with a row of acme's and one of globex's.
func startWithNotes(t *testing.T, o proxytest.Options) *proxytest.Fixture {
	t.Helper()
	f := proxytest.Start(t, o)
	proxytest.Exec(t, f.Through, proxytest.NotesTable)
	proxytest.Exec(t, f.Through, `INSERT INTO notes (id, org_id, title, body, doc) VALUES
		(1, 'acme', 'a', 'of acme', '{}'), (2, 'globex', 'g', 'of globex', '[]')`)
	return f
}

func selectBody(t *testing.T, conn *pgx.Conn, id int) (body *string, err error) {
	t.Helper()
	err = conn.QueryRow(t.Context(), "SELECT body FROM notes WHERE id = $1", id).Scan(&body)
	return body, err
}

// TestRevocation: a key that is disabled in KMS makes its org's values
// unreadable and unwritable on open connections, the other org's are not
// concerned, and enabling it brings all back.
func TestRevocation(t *testing.T) {
	f := startWithNotes(t, proxytest.Options{})
	conn := proxytest.Connect(t, f.Through)
	if err := f.KMS.Disable(f.Keys["acme"]); err != nil {
		t.Fatal(err)
	}
	eventually(t, "PS001 for acme", func() bool {
		_, err := selectBody(t, conn, 1)
		return codeOf(err) == pgerr.KeyUnavailable
	})
	_, err := conn.Exec(t.Context(), "INSERT INTO notes (id, org_id, body) VALUES (3, 'acme', $1)", "x")
	if codeOf(err) != pgerr.KeyUnavailable {
		t.Errorf("a write for acme: %v, want %s", err, pgerr.KeyUnavailable)
	}
	if body, err := selectBody(t, conn, 2); err != nil || *body != "of globex" {
		t.Errorf("globex's value reads as %v, %v", body, err)
	}
	if _, err := conn.Exec(t.Context(), "INSERT INTO notes (id, org_id, body) VALUES (4, 'globex', $1)", "x"); err != nil {
		t.Errorf("a write for globex: %v", err)
	}
	var title string
	if err := conn.QueryRow(t.Context(), "SELECT title FROM notes WHERE id = 1").Scan(&title); err != nil {
		t.Errorf("a plain column of acme's row: %v", err)
	}
	if err := f.KMS.Enable(f.Keys["acme"]); err != nil {
		t.Fatal(err)
	}
	eventually(t, "acme's value", func() bool {
		body, err := selectBody(t, conn, 1)
		return err == nil && *body == "of acme"
	})
}

// TestUnopenedValueAbortsTheTransaction: what cannot be opened is an error like
// any other, after which the transaction is where Postgres would have it.
func TestUnopenedValueAbortsTheTransaction(t *testing.T) {
	f := startWithNotes(t, proxytest.Options{})
	if err := f.KMS.Disable(f.Keys["acme"]); err != nil {
		t.Fatal(err)
	}
	watch := proxytest.Connect(t, f.Through)
	eventually(t, "PS001 for acme", func() bool {
		_, err := selectBody(t, watch, 1)
		return codeOf(err) == pgerr.KeyUnavailable
	})
	tests := []struct {
		name, script string
		want         []string // the beginnings of the messages
	}{
		{"outside of a block", `
			Q SELECT body FROM notes WHERE id = 1
			wait Z
			Q SELECT 1
			wait Z`,
			[]string{"T", "E ERROR PS001", "Z I", "T", `D "1"`, "C SELECT 1", "Z I"}},
		{"rows that open come first", `
			Q SELECT body FROM notes ORDER BY id DESC
			wait Z`,
			[]string{"T", `D "of globex"`, "E ERROR PS001", "Z I"}},
		{"simple, in a block", `
			Q BEGIN
			wait Z
			Q SELECT body FROM notes WHERE id = 1
			wait Z
			Q SELECT 1
			wait Z
			Q ROLLBACK
			wait Z`,
			[]string{"C BEGIN", "Z T", "T", "E ERROR PS001", "Z E", "E ERROR 25P02", "Z E", "C ROLLBACK", "Z I"}},
		{"extended, in a block", `
			Q BEGIN
			wait Z
			P _ | SELECT body FROM notes WHERE id = 1
			B _ _
			E _
			S
			wait Z
			Q COMMIT
			wait Z`,
			[]string{"C BEGIN", "Z T", "1", "2", "E ERROR PS001", "Z E", "C ROLLBACK", "Z I"}},
		{"a write behind it in the pipeline does not happen", `
			P _ | SELECT body FROM notes WHERE id = 1
			B _ _
			E _
			P _ | INSERT INTO plain VALUES (100, 'must not be there')
			B _ _
			E _
			S
			wait Z
			Q SELECT v FROM plain
			wait Z`,
			[]string{"1", "2", "E ERROR PS001", "Z I", "T", "C SELECT 0", "Z I"}},
		{"a write before it in the pipeline is undone", `
			P _ | INSERT INTO plain VALUES (101, 'must not be there')
			B _ _
			E _
			P _ | SELECT body FROM notes WHERE id = 1
			B _ _
			E _
			S
			wait Z
			Q SELECT v FROM plain
			wait Z`,
			[]string{"1", "2", "C INSERT", "1", "2", "E ERROR PS001", "Z I", "T", "C SELECT 0", "Z I"}},
		{"a write that returns what cannot be opened is undone", `
			P _ | UPDATE notes SET title = 'must not be there' WHERE id = 1 RETURNING body
			B _ _
			E _
			S
			wait Z
			Q SELECT title FROM notes WHERE id = 1
			wait Z`,
			[]string{"1", "2", "E ERROR PS001", "Z I", "T", `D "a"`, "C SELECT 1", "Z I"}},
		{"COPY IN behind it in a string", `
			Q SELECT body FROM notes WHERE id = 1; COPY plain FROM STDIN
			wait Z
			Q SELECT body FROM notes WHERE id = 1; COPY plain FROM STDIN
			Q SELECT 1
			wait Z
			wait Z`,
			[]string{"T", "E ERROR PS001", "Z I", "T", "E ERROR PS001", "Z I", "T", `D "1"`, "C SELECT 1", "Z I"}},
		{"COPY IN behind it in a string that changes a setting", `
			Q SET a.b = 'c'; SELECT body FROM notes WHERE id = 1; COPY plain FROM STDIN
			Q SELECT body FROM notes WHERE id = 1
			wait Z
			wait Z`,
			[]string{"C SET", "T", "E ERROR PS001", "Z I", "T", "E ERROR PS001", "Z I"}},
		{"segments behind it in a block", `
			Q BEGIN
			wait Z
			P _ | SELECT body FROM notes WHERE id = 1
			B _ _
			E _
			S
			P _ | SELECT 1
			B _ _
			E _
			S
			Q SELECT 2
			Q ROLLBACK
			wait Z
			wait Z
			wait Z
			wait Z`,
			[]string{"C BEGIN", "Z T", "1", "2", "E ERROR PS001", "Z E", "E ERROR 25P02", "Z E", "E ERROR 25P02", "Z E", "C ROLLBACK", "Z I"}},
		{"COPY", `
			Q COPY notes (id, body) TO STDOUT
			wait Z
			Q SELECT 1
			wait Z`,
			[]string{"H", "E ERROR PS001", "Z I", "T", `D "1"`, "C SELECT 1", "Z I"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := dialWire(t, f.Through).run(test.script)
			ok := len(got) == len(test.want)
			for i := 0; ok && i < len(got); i++ {
				ok = strings.HasPrefix(got[i], test.want[i])
			}
			if !ok {
				t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(test.want, "\n\t"))
			}
		})
	}
}

// TestOnUnreadable: where the policy says so, a value whose key is off reads as
// NULL or as a mask, in its type; a damaged one never does.
func TestOnUnreadable(t *testing.T) {
	org := policy.OrgSource{Kind: policy.OrgFromColumn, Value: "org_id"}
	table := policy.NewTable("public", "notes", org,
		policy.Column{Name: "title", Type: policy.Type{Kind: policy.Text}},
		policy.Column{Name: "body", Type: policy.Type{Kind: policy.Text}, OnUnreadable: policy.OnUnreadableNull},
		policy.Column{Name: "doc", Type: policy.Type{Kind: policy.JSONB}, OnUnreadable: policy.OnUnreadableMask, Mask: `{"sealed":true}`},
	)
	f := startWithNotes(t, proxytest.Options{Policy: &policy.Policy{Tables: []*policy.Table{table}}})
	conn := proxytest.Connect(t, f.Through)
	if err := f.KMS.ScheduleDeletion(f.Keys["acme"], 7); err != nil {
		t.Fatal(err)
	}
	var body *string
	var doc string
	eventually(t, "NULL and the mask", func() bool {
		err := conn.QueryRow(t.Context(), "SELECT body, doc FROM notes WHERE id = 1", pgx.QueryExecModeSimpleProtocol).Scan(&body, &doc)
		if err != nil {
			t.Fatal(err)
		}
		return body == nil
	})
	if doc != `{"sealed": true}` {
		t.Errorf("the mask reads as %s", doc)
	}
	var computed *string
	if err := conn.QueryRow(t.Context(), "SELECT left(body, 2), doc::text FROM notes WHERE id = 1").Scan(&body, &computed); err != nil || body != nil || computed != nil {
		t.Errorf("what is computed of NULL and of a mask: %v, %v, %v, want NULL", body, computed, err)
	}
	copied := func(what, options string) (string, error) {
		var out strings.Builder
		_, err := conn.PgConn().CopyTo(t.Context(), &out, "COPY (SELECT "+what+" FROM notes ORDER BY id) TO STDOUT "+options)
		return out.String(), err
	}
	for options, want := range map[string]string{
		"": "1\t\\N\t{\"sealed\": true}\n2\tof globex\t[]\n", "CSV NULL 'null'": "1,null,\"{\"\"sealed\"\": true}\"\n2,of globex,[]\n",
		"BINARY": "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
			"\x00\x03\x00\x00\x00\x04\x00\x00\x00\x01\xff\xff\xff\xff\x00\x00\x00\x11\x01{\"sealed\": true}" +
			"\x00\x03\x00\x00\x00\x04\x00\x00\x00\x02\x00\x00\x00\x09of globex\x00\x00\x00\x03\x01[]\xff\xff",
	} {
		if got, err := copied("id, body, doc", options); err != nil || got != want {
			t.Errorf("COPY %s: %q, %v, want %q", options, got, err, want)
		}
		if got, err := copied("id, title", options); codeOf(err) != pgerr.KeyUnavailable {
			t.Errorf("COPY %s of a column without on_unreadable: %q, %v, want %s", options, got, err, pgerr.KeyUnavailable)
		}
	}
	var title string
	if err := conn.QueryRow(t.Context(), "SELECT title FROM notes WHERE id = 1").Scan(&title); codeOf(err) != pgerr.KeyUnavailable {
		t.Errorf("a column without on_unreadable: %v, want %s", err, pgerr.KeyUnavailable)
	}
	proxytest.Exec(t, f.Direct, `UPDATE notes SET body = set_byte(body, 30, get_byte(body, 30) # 1) WHERE id = 2`)
	if _, err := selectBody(t, conn, 2); codeOf(err) != pgerr.DoesNotOpen {
		t.Errorf("a damaged value: %v, want %s", err, pgerr.DoesNotOpen)
	}
	if got, err := copied("id, body", ""); codeOf(err) != pgerr.DoesNotOpen {
		t.Errorf("COPY of a damaged value: %q, %v, want %s", got, err, pgerr.DoesNotOpen)
	}
}

// TestKMSOutage: a KMS that does not answer is not one that says no.
func TestKMSOutage(t *testing.T) {
	f := startWithNotes(t, proxytest.Options{})
	hang := f.KMS.Inject(kmsserver.Fault{Kind: kmsserver.Hang})
	conn := proxytest.Connect(t, f.Through)
	if body, err := selectBody(t, conn, 1); err != nil || *body != "of acme" {
		t.Errorf("a value whose key is cached reads as %v, %v", body, err)
	}
	fresh := proxytest.Start(t, proxytest.Options{Database: f.Direct}) // with a KMS that does not know acme's keys
	fresh.KMS.Inject(kmsserver.Fault{Kind: kmsserver.Internal})
	other := proxytest.Connect(t, fresh.Through)
	if _, err := selectBody(t, other, 1); codeOf(err) != pgerr.KMSUnreachable {
		t.Errorf("a value whose key is not cached: %v, want %s", err, pgerr.KMSUnreachable)
	}
	if _, err := other.Exec(t.Context(), "INSERT INTO notes (id, org_id, body) VALUES (5, 'acme', 'x')"); codeOf(err) != pgerr.KMSUnreachable {
		t.Errorf("a write: %v, want %s", err, pgerr.KMSUnreachable)
	}
	var one int
	if err := other.QueryRow(t.Context(), "SELECT 1").Scan(&one); err != nil {
		t.Errorf("a statement that needs no key: %v", err)
	}
	hang.Remove()
	if body, err := selectBody(t, conn, 1); err != nil || *body != "of acme" {
		t.Errorf("after the outage: %v, %v", body, err)
	}
}

// TestValuesThatWereTamperedWith: what was moved or damaged does not open.
func TestValuesThatWereTamperedWith(t *testing.T) {
	f := startWithNotes(t, proxytest.Options{})
	conn := proxytest.Connect(t, f.Through)
	tests := []struct{ name, tamper, read string }{
		{"to another column", "UPDATE notes SET doc = body WHERE id = 1", "SELECT doc FROM notes WHERE id = 1"},
		{"to another org's row, which is read with its org", "UPDATE notes SET body = (SELECT body FROM notes WHERE id = 1) WHERE id = 2",
			"SELECT org_id, body FROM notes WHERE id = 2"},
		{"to another org's row, which is read by its org", "UPDATE notes SET body = (SELECT body FROM notes WHERE id = 1) WHERE id = 2",
			"SELECT body FROM notes WHERE id = 2 AND org_id = 'globex'"},
		{"one bit", "UPDATE notes SET body = set_byte(body, 39, get_byte(body, 39) # 1) WHERE id = 1", "SELECT body FROM notes WHERE id = 1"},
		{"cut short", "UPDATE notes SET body = substr(body, 1, 40) WHERE id = 1", "SELECT body FROM notes WHERE id = 1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			proxytest.Exec(t, f.Through, "DELETE FROM notes; INSERT INTO notes (id, org_id, body) VALUES (1, 'acme', 'of acme'), (2, 'globex', 'of globex')")
			proxytest.Exec(t, f.Direct, test.tamper)
			for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec, pgx.QueryExecModeCacheStatement} {
				rows, err := conn.Query(t.Context(), test.read, mode)
				if err == nil {
					rows.Close()
					err = rows.Err()
				}
				if codeOf(err) != pgerr.DoesNotOpen {
					t.Errorf("%s: %v, want %s", mode, err, pgerr.DoesNotOpen)
				}
			}
		})
	}
	// A data key that the keystore does not know.
	proxytest.Exec(t, f.Direct, `UPDATE notes SET body = overlay(body PLACING '\x7fffffffffffffff' FROM 5) WHERE id = 1`)
	if _, err := selectBody(t, conn, 1); codeOf(err) != pgerr.DoesNotOpen {
		t.Errorf("an unknown data key: %v, want %s", err, pgerr.DoesNotOpen)
	}
}

// TestSecondWall: what does not go through pgseal cannot store plaintext.
func TestSecondWall(t *testing.T) {
	f := startWithNotes(t, proxytest.Options{})
	direct := proxytest.Connect(t, f.Direct)
	for _, sql := range []string{
		"UPDATE notes SET body = 'plaintext'",
		"UPDATE notes SET body = ''",
		`UPDATE notes SET body = '\x5ea1'`,
		`UPDATE notes SET body = '\x5ea102000000000000000000' || decode(repeat('00', 40), 'hex')`,
		"INSERT INTO notes (id, org_id, body) VALUES (9, 'acme', 'plaintext')",
	} {
		_, err := direct.Exec(context.Background(), sql)
		var e *pgconn.PgError
		if !errors.As(err, &e) || e.Code != "23514" || strings.Contains(e.Message+e.Detail, "plaintext") {
			t.Errorf("%s: %v, want a check violation that does not echo the value", sql, err)
		}
	}
}
