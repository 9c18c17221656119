package clients_test

import (
	"bytes"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgseal/pgseal/internal/clienttest"
	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/policy"
)

var update = flag.Bool("update", false, "write docs/clients.md")

func TestMain(m *testing.M) { pgtest.Main(m) }

// TestClients plays every client on every leg.
func TestClients(t *testing.T) {
	h := newHouse(t)
	outcomes := newOutcomes()
	t.Run("all", func(t *testing.T) {
		for _, c := range clients {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				play := c.install(t)
				for _, l := range legs {
					t.Run(l.name, func(t *testing.T) {
						t.Parallel()
						playLeg(t, h, c.name, play, l, outcomes)
					})
				}
			})
		}
	})
	logged, err := os.ReadFile(h.behind.LogFile())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(logged, []byte("INSERT INTO items")) {
		t.Error("the server's log has no statements: they are not searched for values")
	}
	if at := bytes.Index(logged, []byte("secret")); at >= 0 {
		t.Errorf("a value stands in the server's log: %.300q", logged[at-min(at, 100):])
	}
	if rows := clienttest.ReadRows(t, h.direct.DSN("postgres"), "SELECT split_part(current_setting('server_version'), ' ', 1)"); len(rows) == 1 {
		outcomes.server = strings.TrimSuffix(rows[0], "|")
	}
	outcomes.check(t)
}

// playLeg plays a client against Postgres and through pgseal, and compares.
func playLeg(t *testing.T, h *house, name string, play clienttest.Program, l leg, outcomes *outcomes) {
	plain := h.dsn(t, l, pgtest.DatabaseOn(t, h.direct))
	proxytest.Exec(t, plain, table)
	f := h.start(t, l)
	through := h.dsn(t, l, f.Through)
	proxytest.Exec(t, through, table)

	want := clienttest.ReadTranscript(t, play(t, plain), features)
	got := clienttest.ReadTranscript(t, play(t, through), features)
	played := 0
	for _, feature := range want.Features {
		t.Run(feature, func(t *testing.T) {
			outcome := compare(t, name, feature, want.Lines[feature], got.Lines[feature])
			if t.Failed() {
				outcome = failed
			}
			outcomes.feature(name, feature, outcome)
			played++
		})
	}
	if diff := cmp.Diff(want.Features, got.Features); diff != "" {
		t.Errorf("the program did not play the same features (-Postgres +pgseal):\n%s", diff)
	}
	checkRows(t, plain, through)
	checkSealed(t, f.Direct, slices.Contains(want.Features, "types"))
	if played == len(want.Features) { // -run may leave some out
		outcomes.leg(name, want.Version, l.name, !t.Failed())
	}
}

// compare compares what a client saw of a feature, and gives what came of it.
func compare(t *testing.T, name, feature string, want, got []string) (outcome int) {
	for _, line := range want {
		if strings.HasPrefix(line, "FAILED") {
			t.Errorf("against Postgres itself: %s", line)
		}
	}
	diff := cmp.Diff(want, got)
	known := differenceOf(name, feature)
	switch {
	case known < 0 && diff != "":
		t.Errorf("what the client saw differs (-Postgres +pgseal):\n%s", diff)
	case known >= 0 && diff == "":
		t.Errorf("it is no difference any more: %s", differences[known].why)
	case known >= 0 && !differences[known].seen(got):
		t.Errorf("not the difference that is known (-Postgres +pgseal):\n%s", diff)
	}
	return known
}

// checkRows compares, with a client of our own, all rows that were written.
func checkRows(t *testing.T, plain, through string) {
	t.Helper()
	const all = "SELECT * FROM items ORDER BY id"
	want, got := clienttest.ReadRows(t, plain, all), clienttest.ReadRows(t, through, all)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the rows that the client wrote differ (-Postgres +pgseal):\n%.4000s", diff)
	}
	if len(want) == 0 {
		t.Error("the client wrote no row")
	}
}

// checkSealed looks at the sealed columns in Postgres itself; all of them have
// values, or some.
func checkSealed(t *testing.T, direct string, all bool) {
	t.Helper()
	found := 0
	for _, column := range sealedColumns {
		values, sealed := clienttest.CountSealed(t, direct, "items", column.Name)
		if values == 0 && all || sealed != values {
			t.Errorf("items.%s has %d values, %d of them sealed", column.Name, values, sealed)
		}
		found += sealed
	}
	if found == 0 {
		t.Error("items has no sealed value")
	}
}

// sealedColumns are the columns of items that the policy seals.
var sealedColumns = columns("t text", "vc varchar(20)", "ch char(5)", "j json", "jb jsonb", "raw bytea", "ok boolean",
	"i2 smallint", "i4 integer", "i8 bigint", "f4 real", "f8 double precision", "amount numeric", "uid uuid", "day date",
	"ts timestamp", "tz timestamptz")

func columns(definitions ...string) []policy.Column {
	var list []policy.Column
	for _, d := range definitions {
		name, text, _ := strings.Cut(d, " ")
		kind, err := policy.ParseType(text)
		if err != nil {
			panic(err)
		}
		list = append(list, policy.Column{Name: name, Type: kind})
	}
	return list
}

// itemsPolicy seals items, copied, which the programs create, and tokens, whose
// orgs come from a setting.
func itemsPolicy() *policy.Policy {
	org := policy.OrgSource{Kind: policy.OrgFromColumn, Value: "org"}
	return &policy.Policy{Tables: []*policy.Table{
		policy.NewTable("public", "items", org, sealedColumns...),
		policy.NewTable("public", "copied", org, columns("t text", "jb jsonb")...),
		policy.NewTable("public", "tokens", policy.OrgSource{Kind: policy.OrgFromSetting, Value: "pgseal.org"}, columns("t text")...),
	}}
}
