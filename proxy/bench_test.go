package proxy

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"testing"

	"github.com/pgseal/pgseal/crypto"
	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/internal/secret"
	"github.com/pgseal/pgseal/policy"
	"github.com/pgseal/pgseal/rewrite"
)

// oneKey is a keyring of one data key.
type oneKey struct{ key *crypto.DataKey }

func (k oneKey) Ready(string) *crypto.DataKey                             { return k.key }
func (k oneKey) ForSeal(context.Context, string) (*crypto.DataKey, error) { return k.key, nil }
func (k oneKey) ForOpen(context.Context, uint64) (*crypto.DataKey, error) { return k.key, nil }
func (k oneKey) Usable(*crypto.DataKey) bool                              { return true }

// newOfflineSession makes a session without connections, for what needs none.
func newOfflineSession(tb testing.TB, kind policy.Kind) (*session, *policy.Column) {
	tb.Helper()
	key, err := crypto.NewDataKey(1, "acme", make(secret.Bytes, crypto.KeySize))
	if err != nil {
		tb.Fatal(err)
	}
	org := policy.OrgSource{Kind: policy.OrgFixed, Value: "acme"}
	table := policy.NewTable("public", "t", org, policy.Column{Name: "c", Type: policy.Type{Kind: kind}})
	config := Config{
		Policy: &policy.Policy{Tables: []*policy.Table{table}}, Keyring: oneKey{key}, Log: slog.New(slog.DiscardHandler),
	}
	server, err := New(config)
	if err != nil {
		tb.Fatal(err)
	}
	s := &session{server: server, log: config.Log, ctx: tb.Context()}
	s.cond.L = &s.mu
	s.settings.Store(defaultSettings())
	return s, table.Columns[0]
}

// sealedRow makes the body of a DataRow of five fields, the second of them
// sealed, and a backend that knows what to do with it.
func sealedRow(tb testing.TB, kind policy.Kind, value []byte, client pgtypes.Format) (*backend, []byte) {
	tb.Helper()
	s, column := newOfflineSession(tb, kind)
	z := sealer{s: s}
	if err := z.readParam(value, pgtypes.Text, 0, column, s.settings.Load().values); err != nil {
		tb.Fatal(err)
	}
	sealed, err := z.seal(nil, column, "acme")
	if err != nil {
		tb.Fatal(err)
	}
	body := binary.BigEndian.AppendUint16(nil, 5)
	for i := range 5 {
		if i == 1 {
			body = appendValue(body, sealed)
		} else {
			body = appendValue(body, []byte("another field"))
		}
	}
	b := &backend{s: s}
	b.open.s = s
	b.rows.known = true
	b.rows.orgs = []string{"acme"}
	st := &rewrite.Statement{NumOutputs: 5, Outputs: []rewrite.Output{{Index: 1, Column: column}}}
	b.rows.plan = s.server.rowPlan(st, func(int) (c, srv pgtypes.Format) { return client, pgtypes.Binary })
	return b, body
}

func TestRowsAreOpenedWithoutAllocation(t *testing.T) {
	for _, kind := range []policy.Kind{policy.Text, policy.JSONB, policy.Bytea, policy.Int8} {
		value := []byte("42")
		b, body := sealedRow(t, kind, value, pgtypes.Binary)
		var dst []byte
		open := func() {
			var err error
			if dst, err = b.appendRow(dst[:0], body); err != nil {
				t.Fatal(err)
			}
		}
		open()
		if allocs := testing.AllocsPerRun(100, open); allocs != 0 {
			t.Errorf("%s: %v allocations a row, want none", kind, allocs)
		}
	}
}

func BenchmarkAppendRow(b *testing.B) {
	for _, size := range []int{64, 1 << 10, 16 << 10} {
		b.Run(fmt.Sprintf("text/%d", size), func(b *testing.B) {
			back, body := sealedRow(b, policy.Text, bytes.Repeat([]byte("x"), size), pgtypes.Text)
			var dst []byte
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if dst, err = back.appendRow(dst[:0], body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// repeat gives the same bytes again and again, whole.
type repeat struct{ data []byte }

func (r repeat) Read(b []byte) (int, error) {
	n := 0
	for n+len(r.data) <= len(b) {
		n += copy(b[n:], r.data)
	}
	return n, nil
}

// Ahead: bytes are at hand, and go into a whole buffer as a socket's do (read.go).
func (repeat) Ahead() int { return 1 }

// relayAll relays n messages and gives what is lost on the way to allocations.
func relayAll(tb testing.TB, in *frameReader, out *output, n int) {
	for relayed := 0; relayed < n; {
		_, size, ok, err := in.peek()
		if err != nil {
			tb.Fatal(err)
		}
		if ok && in.buffered() >= size {
			out.relay(in.take(size))
			relayed++
			continue
		}
		if err := out.flush(); err != nil {
			tb.Fatal(err)
		}
		if err := in.fill(headerSize); err != nil {
			tb.Fatal(err)
		}
	}
}

func newRelay() (*frameReader, *output) {
	row := beginMessage(nil, 'D')
	row = binary.BigEndian.AppendUint16(row, 5)
	for range 5 {
		row = appendValue(row, make([]byte, 100))
	}
	row, _ = endMessage(row, 0)
	return newFrameReader(repeat{row}), &output{conn: io.Discard}
}

func TestRelayingDoesNotAllocate(t *testing.T) {
	in, out := newRelay()
	messages := 1000
	if raceDetector {
		// A sync.Pool loses some of what it is given then, one buffer in four; the
		// average is rounded down.
		messages = 10
	}
	if allocs := testing.AllocsPerRun(100, func() { relayAll(t, in, out, messages) }); allocs != 0 {
		t.Errorf("%v allocations for %d messages, want none", allocs, messages)
	}
}

func BenchmarkFrameScan(b *testing.B) {
	in, out := newRelay()
	b.ReportAllocs()
	for b.Loop() {
		relayAll(b, in, out, 1000)
	}
}

// BenchmarkPlanLookup finds the plan of a text that came before.
func BenchmarkPlanLookup(b *testing.B) {
	plans := plansOf(b)
	env := rewrite.Env{Extended: true, StandardStrings: true, UTF8: true}
	for name, text := range map[string]string{
		"sealed": "INSERT INTO t (id, c) VALUES ($1, $2)", "relayed": "SELECT id, name FROM elsewhere WHERE id = $1",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if plan := plans.plan([]byte(text), env, &shaper{}); plan.Refusal != nil || plan.Relay != (name == "relayed") {
					b.Fatal(plan.Refusal, plan.Relay)
				}
			}
		})
	}
}
