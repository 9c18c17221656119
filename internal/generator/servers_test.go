package generator

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/internal/kmsserver"
	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/postgres"
	"github.com/pgseal/pgseal/internal/proxytest"
)

// servers are a plain Postgres, and pgseal in front of one that logs all.
type servers struct {
	oracle, sealed *postgres.Server
	pairs          []*pair
}

// pair is a worker's database on each.
type pair struct {
	oracle  string // DSN
	fixture *proxytest.Fixture
}

func startServers(t *testing.T, workers int) *servers {
	t.Helper()
	s := &servers{
		oracle: pgtest.Server(t),
		sealed: pgtest.Private(t, postgres.Options{Settings: map[string]string{
			"log_statement": "all", "log_parameter_max_length": "-1", "log_parameter_max_length_on_error": "-1",
			"log_error_verbosity": "verbose", "log_min_messages": "debug1",
		}}),
	}
	p, err := Policy()
	if err != nil {
		t.Fatal(err)
	}
	for range workers {
		each := &pair{oracle: pgtest.Database(t)}
		each.fixture = proxytest.Start(t, proxytest.Options{Database: pgtest.DatabaseOn(t, s.sealed), Policy: p})
		for _, org := range []string{"7", "8"} {
			arn, err := each.fixture.KMS.CreateKey(kmsserver.KeyOptions{Description: org})
			if err != nil {
				t.Fatal(err)
			}
			if err := each.fixture.Store.AddOrgKey(t.Context(), keystore.OrgKey{Org: org, Name: "org " + org, Key: kms.Key{ARN: arn}}, keystore.Actor{Name: "test"}); err != nil {
				t.Fatal(err)
			}
		}
		for _, sql := range Definition() {
			proxytest.Exec(t, each.oracle, sql)
			proxytest.Exec(t, each.fixture.Through, sql)
		}
		s.pairs = append(s.pairs, each)
	}
	return s
}

// session is a pair of connections that play scripts.
type session struct {
	pair           *pair
	oracle, sealed *player
}

func (p *pair) dial() (*session, error) {
	oracle, err := dial(p.oracle)
	if err != nil {
		return nil, err
	}
	sealed, err := dial(p.fixture.Through)
	if err != nil {
		oracle.close()
		return nil, err
	}
	return &session{p, oracle, sealed}, nil
}

func (s *session) close() {
	s.oracle.close()
	s.sealed.close()
}

// failure is a step that went wrong.
type failure struct {
	kind string // for telling whether a smaller script fails the same way
	text string
	step *Step
}

// run plays a script from its beginning. The tally counts what came out.
func (s *session) run(script *Script, t *tally) *failure {
	for _, p := range []*player{s.oracle, s.sealed} {
		a, err := p.play(Reset())
		if err != nil || a.code != "" {
			return &failure{kind: "reset", text: fmt.Sprintf("the tables cannot be reset: %v %v", err, a)}
		}
	}
	for _, step := range script.Steps {
		if f := s.step(step, t); f != nil {
			f.step = step
			return f
		}
	}
	want, err := s.oracle.play(State())
	if err != nil {
		return &failure{kind: "oracle", text: err.Error()}
	}
	got, err := s.sealed.play(State())
	if err != nil {
		return &failure{kind: "state broken", text: err.Error()}
	}
	if diff := difference(&Step{}, want, got); diff != "" {
		return &failure{kind: "state", text: "the tables differ at the end (-Postgres +pgseal):\n" + diff}
	}
	return nil
}

// oracleLines are the messages for the plain Postgres.
func oracleLines(step *Step) []string {
	if step.Oracle != nil {
		return step.Oracle
	}
	return step.Lines
}

// step plays a step to both, pgseal first.
func (s *session) step(step *Step, t *tally) *failure {
	got, err := s.sealed.play(step.Lines)
	if err != nil {
		return &failure{kind: "broken", text: "pgseal: " + err.Error() + s.pair.activity()}
	}
	if got.anchor != "" {
		return s.refused(step, got, t)
	}
	want, err := s.oracle.play(oracleLines(step))
	if err != nil {
		return &failure{kind: "oracle", text: err.Error()}
	}
	if diff := difference(step, want, got); diff != "" {
		return &failure{kind: "differs " + want.code + "/" + got.code, text: "answers differ (-Postgres +pgseal):\n" + diff}
	}
	t.equal(step, got)
	return nil
}

// failing is a statement that fails in the place of one that pgseal refuses.
const failing = `SELECT "refused"`

// refused brings the oracle to where a refusal has left pgseal's session.
func (s *session) refused(step *Step, got *answer, t *tally) *failure {
	if got.code == "PS003" || got.code == "XX000" || got.anchor == "internal-error" {
		return &failure{kind: "refused " + got.code, text: fmt.Sprintf("pgseal: %+v", got.lines)}
	}
	accepted := false
	if !step.Control {
		var err error
		if accepted, err = s.tried(step); err != nil {
			return &failure{kind: "oracle", text: err.Error()}
		}
	}
	// The prepared statement s1 is the new one on both sides, or none.
	if len(step.Lines) > 1 && step.Lines[0] == "C S s1" {
		parse := []string{"C S s1"}
		if len(got.lines) > 1 && got.lines[1] == "1" {
			parse = oracleLines(step)[:2]
		}
		if _, err := s.oracle.play(append(slices.Clone(parse), "S")); err != nil {
			return &failure{kind: "oracle", text: err.Error()}
		}
	}
	lines := []string{"Q " + failing}
	if len(step.Texts) > 1 {
		texts := append([]string{}, step.Texts...)
		if got.done >= len(texts) {
			return &failure{kind: "counts", text: "pgseal has answered more statements than there are"}
		}
		texts[got.done] = failing
		lines = []string{"Q " + text(strings.Join(texts, "; "))}
	}
	want, err := s.oracle.play(lines)
	if err != nil {
		return &failure{kind: "oracle", text: err.Error()}
	}
	if len(step.Texts) > 1 {
		before := func(a *answer) *answer {
			for i, line := range a.lines {
				if strings.HasPrefix(line, "E ") {
					return &answer{lines: a.lines[:i]}
				}
			}
			return a
		}
		if diff := difference(step, before(want), before(got)); diff != "" {
			return &failure{kind: "differs before refusal", text: "answers before the refusal differ (-Postgres +pgseal):\n" + diff}
		}
	}
	if want.state != got.state {
		return &failure{kind: "state of transaction", text: fmt.Sprintf("after a refusal (%s) the transaction is in state %c, Postgres's in %c", got.anchor, got.state, want.state)}
	}
	t.refused(step, got, accepted)
	return nil
}

// tried tells whether Postgres accepts a step, and undoes it.
func (s *session) tried(step *Step) (bool, error) {
	begin, err := s.oracle.play([]string{"Q SAVEPOINT tried"})
	if err != nil {
		return false, err
	}
	undo := []string{"Q ROLLBACK TO tried", "Q RELEASE tried"}
	switch {
	case begin.state == 'E':
		return false, nil
	case begin.code != "": // outside of a transaction block
		if _, err := s.oracle.play([]string{"Q BEGIN"}); err != nil {
			return false, err
		}
		undo = []string{"Q ROLLBACK"}
	}
	a, err := s.oracle.play(oracleLines(step))
	if err != nil {
		return false, err
	}
	_, err = s.oracle.play(undo)
	return a.code == "", err
}

// unsealed gives the number of values on the server that are not sealed.
func (p *pair) unsealed(t *testing.T) (n int) {
	t.Helper()
	conn := proxytest.Connect(t, p.fixture.Direct)
	defer func() { _ = conn.Close(context.Background()) }()
	if err := conn.QueryRow(t.Context(), Unsealed()).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// activity tells what the server behind pgseal is about, for a failure's text.
func (p *pair) activity() string {
	ctx, cancel := context.WithTimeout(context.Background(), answerLimit)
	defer cancel()
	conn, err := pgx.Connect(ctx, p.fixture.Direct)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = conn.Close(ctx) }()
	var text string
	err = conn.QueryRow(ctx, `SELECT coalesce(string_agg(format(E'\n%s %s, waits for %s: %s', pid, state, wait_event, left(query, 200)), ''), '')
		FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`).Scan(&text)
	if err != nil {
		return err.Error()
	}
	return "\nthe server's sessions:" + text
}
