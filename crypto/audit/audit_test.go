package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// fixture is a Log on a keystore that knows the org acme. The test writes.
type fixture struct {
	*Log
	store *keystore.Store
	conn  *pgx.Conn
	lines *bytes.Buffer
}

func started(t *testing.T, o Options) *fixture {
	t.Helper()
	dsn := pgtest.Database(t)
	if _, err := keystore.Migrate(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	f := &fixture{lines: &bytes.Buffer{}}
	var err error
	if f.store, err = keystore.Open(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.store.Close)
	if f.conn, err = pgx.Connect(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.conn.Close(context.Background()) })
	f.addKey(t, "acme")
	o.Process = "p1"
	f.Log = New(f.store, slog.New(slog.NewJSONHandler(f.lines, nil)), o)
	return f
}

func (f *fixture) addKey(t *testing.T, org string) {
	t.Helper()
	key := keystore.OrgKey{Org: org, Name: org, Key: kms.Key{ARN: "local:" + org}}
	if err := f.store.AddOrgKey(t.Context(), key, keystore.Actor{Name: "ops", Process: "elsewhere"}); err != nil {
		t.Fatal(err)
	}
}

// breakKeystore makes writing fail, or work again.
func (f *fixture) breakKeystore(t *testing.T, broken bool) {
	t.Helper()
	sql := "ALTER TABLE pgseal.audit_head RENAME TO audit_gone"
	if !broken {
		sql = "ALTER TABLE pgseal.audit_gone RENAME TO audit_head"
	}
	if _, err := f.conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// stored gives the entries of the keystore but the test's own changes, the oldest first.
func (f *fixture) stored(t *testing.T) (list []keystore.Event) {
	t.Helper()
	events, err := f.store.FindEvents(t.Context(), keystore.EventFilter{Except: []string{"add key"}})
	if err != nil {
		t.Fatal(err)
	}
	for i := len(events) - 1; i >= 0; i-- {
		list = append(list, events[i])
	}
	if v, err := f.store.VerifyAudit(t.Context()); err != nil || v.Break != nil {
		t.Errorf("the chain: %+v, %v", v.Break, err)
	}
	return list
}

func described(events []keystore.Event) string {
	var list []string
	for _, e := range events {
		list = append(list, fmt.Sprintf("%s %s>%s x%s", strings.Fields(e.Action)[0], e.Actor.Name, e.Org, e.Detail["count"]))
	}
	return strings.Join(list, ", ")
}

// line is a line of the structured log.
type line struct {
	Level, Msg, Action, Org, Actor, Process, Hash string
	ID                                            int64
	Detail                                        map[string]string
}

func (f *fixture) log(t *testing.T) (lines []line) {
	t.Helper()
	for _, text := range strings.Split(strings.TrimSpace(f.lines.String()), "\n") {
		var l line
		if err := json.Unmarshal([]byte(text), &l); text != "" && err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if text != "" {
			lines = append(lines, l)
		}
	}
	f.lines.Reset()
	return lines
}

// TestWritten: what is told comes to be in the chain and in the structured log, with the
// same hash, and no name of an org that is none.
func TestWritten(t *testing.T) {
	f := started(t, Options{})
	f.Opened(Use{How: Open, Org: "acme", User: "reader", Client: "10.0.0.7", Database: "app", Application: "psql", Column: "public.notes.body"})
	f.Refused(Use{How: Seal, Org: "acme", Claimed: true, User: "writer"})
	f.Refused(Use{How: Seal, Org: "plaintext", Claimed: true, User: "writer"})
	f.write(t.Context(), false)
	events := f.stored(t)
	if got, want := described(events), "open reader>acme x, refuse writer>acme x, refuse writer> x"; got != want {
		t.Fatalf("%s, want %s", got, want)
	}
	lines := f.log(t)
	if len(lines) != 3 {
		t.Fatal(lines)
	}
	for i, l := range lines {
		e := events[i]
		if l.Msg != "audit" || l.ID != e.ID || l.Hash != e.Hash.String() || l.Action != e.Action || l.Org != e.Org || l.Actor != e.Actor.Name || l.Process != "p1" || fmt.Sprint(l.Detail) != fmt.Sprint(e.Detail) {
			t.Errorf("line %+v for entry %+v", l, e)
		}
	}
	if lines[0].Level != "INFO" || lines[1].Level != "WARN" {
		t.Errorf("%+v", lines)
	}
	if all := fmt.Sprint(events, lines); strings.Contains(all, "plaintext") {
		t.Error(all)
	}
	f.write(t.Context(), true)
	if again := f.log(t); len(again) != 0 || len(f.stored(t)) != 3 {
		t.Errorf("again: %+v", again)
	}
}

// TestKeystoreDown: the structured log has all at once; the keystore has it later, and
// what there was no room for is an entry that says how much.
func TestKeystoreDown(t *testing.T) {
	f := started(t, Options{Pending: 4, Known: func(org string) bool { return org == "globex" }})
	f.breakKeystore(t, true)
	for range 3 {
		f.Refused(Use{How: Open, Org: "acme", User: "a"})
		f.Refused(Use{How: Seal, Org: "globex", Claimed: true, User: "a"})
		f.Refused(Use{How: Seal, Org: "plaintext", Claimed: true, User: "a"})
		f.write(t.Context(), false)
	}
	for i := range 3 {
		f.Opened(Use{How: Open, Org: fmt.Sprint("org", i), User: "a"})
	}
	f.write(t.Context(), false)
	var inLog []string
	for _, l := range f.log(t) {
		if l.Msg == "audit" {
			inLog = append(inLog, strings.Fields(l.Action)[0]+" "+l.Org+l.Detail["org"])
		}
		if l.Hash != "" {
			t.Errorf("stored: %+v", l)
		}
	}
	if got, want := strings.Join(inLog, ", "), "refuse acme, refuse globex, refuse (not known), open org1, open org2, open org0"; got != want {
		t.Errorf("logged %s, want %s", got, want)
	}
	f.breakKeystore(t, false)
	f.write(t.Context(), false)
	events := f.stored(t)
	if got, want := described(events), "refuse a>acme x3, refuse a> x3, refuse a> x3, open a>org0 x, entries pgseal> x2"; got != want {
		t.Errorf("stored %s, want %s", got, want)
	}
	hashes := 0
	for _, l := range f.log(t) {
		if l.Hash != "" {
			hashes++
		}
	}
	if hashes != 5 {
		t.Errorf("%d hashes logged for 5 entries", hashes)
	}
}

// TestRunFlushesAtTheEnd, also when the keystore is down, and then says so.
func TestRunFlushesAtTheEnd(t *testing.T) {
	for _, broken := range []bool{false, true} {
		f := started(t, Options{Interval: time.Hour})
		if broken {
			f.breakKeystore(t, true)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- f.Run(ctx) }()
		f.Refused(Use{Org: "acme", User: "a"})
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		var logged, alone bool
		for _, l := range f.log(t) {
			logged = logged || l.Msg == "audit" && l.Org == "acme"
			alone = alone || strings.HasPrefix(l.Msg, "audit entries are in this log alone")
		}
		if broken {
			f.breakKeystore(t, false)
		}
		if n := len(f.stored(t)); !logged || alone != broken || (n == 1) == broken {
			t.Errorf("broken %v: %d stored, logged %v, said %v", broken, n, logged, alone)
		}
	}
}

// TestChangesAreTold: what others do to orgs' keys is in this process's log too, once.
func TestChangesAreTold(t *testing.T) {
	f := started(t, Options{})
	f.write(t.Context(), false) // from here on
	f.addKey(t, "globex")
	f.Opened(Use{How: Open, Org: "acme", User: "a"})
	other := New(f.store, slog.New(slog.DiscardHandler), Options{Process: "p2"})
	other.Opened(Use{How: Open, Org: "acme", User: "b"})
	other.write(t.Context(), false)
	for range 2 {
		f.write(t.Context(), false)
	}
	var got []string
	for _, l := range f.log(t) {
		got = append(got, l.Action+" "+l.Org+" by "+l.Actor)
		if l.Hash == "" {
			t.Errorf("no hash: %+v", l)
		}
	}
	if got, want := strings.Join(got, ", "), "open data acme by a, add key globex by ops"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestOpensMayBeOff: refusals are logged all the same.
func TestOpensMayBeOff(t *testing.T) {
	f := started(t, Options{NoOpens: true})
	f.Opened(Use{Org: "acme", User: "a"})
	f.Refused(Use{Org: "acme", User: "a"})
	f.write(t.Context(), false)
	if got := described(f.stored(t)); got != "refuse a>acme x" || f.Period() != 0 {
		t.Error(got)
	}
}
