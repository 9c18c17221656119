package leak_test

import (
	"strings"
	"testing"

	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/internal/wirescript"
)

// messageWays are wire scripts (package wirescript) of messages that no driver sends, or
// not so.
var messageWays = []struct{ name, script string }{
	{"a literal whose org is a parameter", `
		P ins | INSERT INTO notes (id, org_id, body) VALUES ($1, $2, '@')
		B _ ins | '#' 'acme' | | 
		E _
		B _ ins | '#1' 'globex' | 0 0 | 
		E _
		B _ ins | '#2' 'nobody' | | 
		E _
		S
		wait Z
		B _ ins | '#3' | | 
		E _
		S
		wait Z
		B _ ins | '#4' 'acme' '@' | | 
		E _
		S
		wait Z
		B _ ins | '#5' 'acme' | 0 0 0 | 
		E _
		S
		wait Z
		P upd | UPDATE notes SET body = '@', doc = CASE WHEN id = 1 THEN '["@"]' END WHERE org_id = $1
		D S upd
		B _ upd | 'acme' | | 
		E _
		S
		wait Z
		Q EXECUTE ins (#6, 'acme')
		wait Z
		Q PREPARE sql# AS INSERT INTO notes (id, org_id, body) VALUES (#7, $1, '@')
		wait Z`},
	{"Bind with too many parameters", `
		P _ | INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', $1)
		B _ _ | '@' '@' | | 
		E _
		S
		wait Z`},
	{"Bind with too few parameters", `
		P _ | INSERT INTO notes (id, org_id, body) VALUES (#, $1, $2)
		B _ _ | '@' | | 
		E _
		S
		wait Z`},
	{"Bind with a format that there is not", `
		P _ | INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', $1)
		B _ _ | '@' | 7 | 
		E _
		S
		wait Z`},
	{"Bind with too many formats", `
		P _ | INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', $1)
		B _ _ | '@' | 0 0 1 | 
		E _
		S
		wait Z`},
	{"Bind of a statement that there is not", `
		B _ nothing | '@' | | 
		E _
		S
		wait Z`},
	{"Bind of a portal that exists", `
		P ins | INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', $1)
		B p ins | '@' | | 
		B p ins | '@' | | 
		E p
		S
		wait Z`},
	{"Parse over a statement that exists", `
		P ins | INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', $1)
		P ins | INSERT INTO plain VALUES (#, $1)
		B _ ins | '@' | | 
		E _
		S
		B _ ins | '@' | | 
		E _
		S
		wait Z
		wait Z`},
	{"the unnamed statement, parsed anew with an error", `
		P _ | INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', $1)
		S
		wait Z
		P _ | SELECT garbage FROM nowhere
		B _ _ | '@' | | 
		E _
		S
		wait Z
		B _ _ | '@' | | 
		E _
		S
		wait Z`},
	{"the unnamed statement behind a Query", `
		P _ | INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', $1)
		S
		wait Z
		Q SELECT 1
		wait Z
		B _ _ | '@' | | 
		E _
		S
		wait Z`},
	{"messages behind an error, before Sync", `
		P _ | SELECT 1/0
		B _ _ | | | 
		E _
		P _ | INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', $1)
		B _ _ | '@' | | 
		E _
		Q INSERT INTO notes (id, org_id, body) VALUES (#1, 'acme', '@')
		S
		wait Z`},
	{"a statement whose table is gone by Bind", `
		Q CREATE SCHEMA s#; CREATE TABLE s#.notes (id int, org_id text, body text)
		wait Z
		P ins | INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', $1)
		S
		wait Z
		Q SET search_path = s#, public
		wait Z
		B _ ins | '@' | | 
		E _
		S
		wait Z`},
	{"a parameter in binary that is none of its type", `
		P _ | INSERT INTO notes (id, org_id, n) VALUES (#, 'acme', $1)
		B _ _ | '@' | 1 | 
		E _
		S
		wait Z
		P _ | INSERT INTO notes (id, org_id, doc) VALUES (#, 'acme', $1)
		B _ _ | '@' | 1 | 
		E _
		S
		wait Z
		P _ | INSERT INTO notes (id, org_id, uid) VALUES (#, 'acme', $1) | 2950
		B _ _ | '@' | 1 | 
		E _
		S
		wait Z`},
	{"a transaction that has failed", `
		Q BEGIN
		Q SELECT 1/0
		Q INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@')
		P _ | INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', $1)
		B _ _ | '@' | | 
		S
		Q EXECUTE known ('@')
		Q ROLLBACK
		wait Z
		wait Z
		wait Z
		wait Z
		wait Z
		wait Z`},
	{"Describe and Flush in the middle", `
		P ins | INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', $1) RETURNING body
		D S ins
		H
		wait T
		B _ ins | '@' | | 1
		D P _
		H
		wait T
		E _ 1
		C S ins
		S
		wait Z`},
	{"CopyData where there is no COPY", `
		d #\tacme\t@\n
		c
		Q SELECT 1
		wait Z`},
	{"COPY in the extended protocol", `
		P _ | COPY notes (id, org_id, body) FROM STDIN
		B _ _ | | | 
		E _
		H
		wait G
		d #\tacme\t@\n
		c
		S
		wait Z`},
	{"COPY that CopyFail ends", `
		Q COPY notes (id, org_id, body) FROM STDIN
		wait G
		d #\tacme\t@\n
		f no more
		wait Z`},
	{"CopyData that the message's end cuts", `
		Q COPY notes (id, org_id, body) FROM STDIN
		wait G
		d #\tacme\t@
		d \n
		d #1\tacme
		d \t@@
		c
		wait Z`},
	{"a Query in COPY", `
		Q COPY notes (id, org_id, body) FROM STDIN
		wait G
		d #\tacme\t@\n
		Q INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@')
		wait closed`},
	{"a Query that is cut off", `
		raw "Q\x00\x00\x00\x80INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@')"
		shut
		wait closed`},
	{"a Query with a zero byte in it", `
		raw "Q\x00\x00\x00\x4aINSERT INTO notes (id, org_id, body) VALUES (9999, 'acme', '@')\x00 rest\x00"
		wait closed`},
	{"a FunctionCall of a function that there is not", `
		F 1 | '@' | 0 | 0
		wait Z`},
}

// messages sends them. That a script does not come to its end is none of this test's.
func (h *house) messages(t *testing.T, f *proxytest.Fixture) {
	t.Helper()
	for _, m := range messageWays {
		script, _ := h.next(m.name, m.script)
		p, err := wirescript.NewPlayer(f.Through)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.On("a"); err != nil {
			t.Fatal(err)
		}
		if err := p.Play(script); err != nil {
			t.Errorf("%s: %v, after %q", m.name, err, p.Lines)
		}
		if !strings.Contains(strings.Join(p.Lines, "\n"), "E ") {
			h.accepted++
		}
		p.Close()
	}
}
