package oracle_test

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/postgres"
	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/internal/wirescript"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// TestCorpus plays all scripts.
func TestCorpus(t *testing.T) {
	playCorpus(t, pgtest.Server(t), all(), func(named) bool { return true })
}

// playCorpus plays those scripts of the types' that are chosen, and that the server's
// version has the syntax of.
func playCorpus(t *testing.T, server *postgres.Server, types []*logical, chosen func(named) bool) {
	h := newHouse(t, server, types)
	var outcome outcomes
	t.Run("all", func(t *testing.T) {
		for n, l := range types {
			t.Run(l.id(), func(t *testing.T) {
				t.Parallel()
				plain, through := &session{dsn: h.plain}, &session{dsn: h.through}
				defer plain.close()
				defer through.close()
				for _, c := range corpus(n, l) {
					if c.since > h.major || !chosen(c) {
						continue
					}
					outcome.made()
					t.Run(strings.TrimPrefix(c.name, l.id()+"/"), func(t *testing.T) {
						differs := h.compare(t, c, plain, through)
						outcome.played(differs, t.Failed())
					})
				}
			})
		}
	})
	outcome.report(t, h.major)
}

// house is the two databases.
type house struct {
	plain, through string
	major          int // the server's version
	known          []*difference
}

// newHouse makes a table for each type, plain and sealed, and learns the values' binary
// forms.
func newHouse(t *testing.T, server *postgres.Server, types []*logical) *house {
	t.Helper()
	plain := pgtest.DatabaseOn(t, server)
	f := proxytest.Start(t, proxytest.Options{Database: pgtest.DatabaseOn(t, server), Policy: corpusPolicy(types)})
	var create strings.Builder
	create.WriteString("CREATE TABLE plain (id int PRIMARY KEY, v text); INSERT INTO plain SELECT i, 'p' || i FROM generate_series(1, 20) i;\n")
	for _, l := range types {
		create.WriteString(l.createTable())
	}
	for _, dsn := range []string{plain, f.Through} {
		conn := proxytest.Connect(t, dsn)
		texts := []string{create.String()}
		for _, l := range types {
			texts = append(texts, l.createViews()...) // a text for each: pgseal reads the catalog between texts
		}
		for _, sql := range texts {
			if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
		}
	}
	conn, err := pgconn.Connect(t.Context(), plain)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	for _, l := range types {
		l.learnBinary(t, conn)
	}
	return &house{plain, f.Through, pgtest.Major(t, server), readDifferences(t)}
}

// compare plays a script on both, and tells whether there are differences that are
// known. All that are known of the script must be there.
func (h *house) compare(t *testing.T, c named, plain, through *session) (differs bool) {
	t.Helper()
	var known []*difference
	for _, d := range h.known {
		if d.of(c.name, h.major) {
			known = append(known, d)
		}
	}
	want, got := plain.play(t, c.script), through.play(t, c.script)
	met, unknown := explain(known, segments(want), segments(got))
	if len(unknown) > 0 {
		t.Errorf("pgseal's answers differ from Postgres's (-Postgres +pgseal):\n%s\nof the script:\n%s", strings.Join(unknown, "\n"), cut(c.script, 6000))
	}
	for _, d := range known {
		if !met[d] {
			t.Errorf("it is no difference any more: differences.txt:%d: %s", d.line, d.why)
		}
	}
	return len(met) > 0
}

// session plays scripts against one server, one after another on one connection: to
// connect costs the server more than a script does.
type session struct {
	dsn    string
	player *wirescript.Player // nil: not connected
}

// play gives the transcript of a script. What the script has left in the session is
// dropped.
func (s *session) play(t *testing.T, script string) []string {
	t.Helper()
	if s.player == nil {
		p, err := wirescript.NewPlayer(s.dsn)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.On("a"); err != nil {
			t.Fatal(err)
		}
		s.player = p
	}
	if err := s.player.Play(script); err != nil {
		lines := s.player.Lines
		s.close()
		t.Fatalf("%v, after %q, in the script:\n%s", err, lines, cut(script, 6000))
	}
	lines := s.player.Lines
	s.player.Lines = nil
	if err := s.player.Play("Q ROLLBACK\nwait Z\nQ DISCARD ALL\nwait Z"); err != nil || !slices.Contains(s.player.Lines, "C DISCARD ALL") {
		s.close()
		return lines
	}
	s.player.Lines = nil
	return lines
}

func (s *session) close() {
	if s.player != nil {
		s.player.Close()
		s.player = nil
	}
}

func cut(s string, most int) string {
	if len(s) > most {
		return s[:most/2] + " … " + s[len(s)-most/2:]
	}
	return s
}

// outcomes counts.
type outcomes struct {
	mu                                sync.Mutex
	scripts, ended, different, failed int
}

func (o *outcomes) made() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.scripts++
}

func (o *outcomes) played(differs, failed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended++
	if failed {
		o.failed++
	} else if differs {
		o.different++
	}
}

// report prints the counts, unless -run has left some out.
func (o *outcomes) report(t *testing.T, major int) {
	if o.ended < o.scripts {
		return
	}
	same := o.scripts - o.different - o.failed
	err := pgtest.Report(fmt.Sprintf("oracle: %d scripts on Postgres %d: %d (%.1f %%) as Postgres itself, %d with differences that are documented, %d failed",
		o.scripts, major, same, 100*float64(same)/float64(o.scripts), o.different, o.failed))
	if err != nil {
		t.Error(err)
	}
}

// TestDifferencesAreOfScripts: each name in differences.txt is that of a script.
func TestDifferencesAreOfScripts(t *testing.T) {
	var names []string
	for n, l := range all() {
		l.binary = make([][]byte, len(l.values))
		for _, c := range corpus(n, l) {
			names = append(names, c.name)
		}
	}
	if len(names) < 1500 {
		t.Errorf("%d scripts; the README says more than 1,500", len(names))
	}
	for _, d := range readDifferences(t) {
		for _, glob := range d.scripts {
			if !slices.ContainsFunc(names, func(name string) bool { ok, _ := path.Match(glob, name); return ok }) {
				t.Errorf("differences.txt:%d: no script has the name %s", d.line, glob)
			}
		}
	}
}
