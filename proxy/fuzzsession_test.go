package proxy

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"testing/iotest"
	"time"

	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/policy"
	"github.com/pgseal/pgseal/rewrite"
)

// collected is a client's connection that keeps what is sent to it.
type collected struct{ bytes.Buffer }

func (*collected) Close() error                     { return nil }
func (*collected) LocalAddr() net.Addr              { return nil }
func (*collected) RemoteAddr() net.Addr             { return nil }
func (*collected) SetDeadline(time.Time) error      { return nil }
func (*collected) SetReadDeadline(time.Time) error  { return nil }
func (*collected) SetWriteDeadline(time.Time) error { return nil }

// FuzzBackend is a server that sends any bytes, to any sequence of messages that it
// was sent: no panic, and the client gets the same however they arrive, but for
// what is at hand when the session ends at bytes that are no message.
func FuzzBackend(f *testing.F) {
	f.Fuzz(func(t *testing.T, sent, data []byte) {
		whole := answer(t, sent, bytes.NewReader(data))
		pieces := answer(t, sent, iotest.OneByteReader(bytes.NewReader(data)))
		if !bytes.HasPrefix(whole, pieces) && !bytes.HasPrefix(pieces, whole) {
			t.Errorf("the client gets %q of %q in one piece, %q byte by byte", whole, data, pieces)
		}
	})
}

// answer gives what a client gets of a server's bytes. Each byte of sent is a message
// that was sent to the server.
func answer(t *testing.T, sent []byte, data io.Reader) []byte {
	s, column := newOfflineSession(t, policy.Text)
	client := &collected{}
	s.client, s.clientWriter.conn = client, client
	row := rewrite.Statement{NumOutputs: 2, Outputs: []rewrite.Output{
		{Index: 1, Column: column, Org: rewrite.OrgRef{Kind: rewrite.OrgValue, Value: "acme"}},
	}}
	copyOut := rewrite.Statement{Copy: copyPlan(rewrite.CopyText, false, column)}
	rows := s.server.rowPlan(&row, func(int) (client, server pgtypes.Format) { return pgtypes.Text, pgtypes.Binary })
	sealed := &portal{statement: &statement{plan: &row}, rows: rows, orgs: []string{"acme"}}
	copying := &portal{statement: &statement{plan: &copyOut}}
	kinds := []reply{
		{kind: replyParse, name: &nameOp{}}, {kind: replyBind}, {kind: replyClose}, {kind: replySync}, {kind: replyFunctionCall},
		{kind: replyDescribeStatement, statement: sealed.statement}, {kind: replyDescribePortal, portal: sealed},
		{kind: replyExecute, portal: sealed, opens: true}, {kind: replyExecute, portal: copying},
		{kind: replyQuery, query: &query{statements: []rewrite.Statement{row, copyOut}}, opens: true},
		{kind: replyQuery}, {kind: replyExecute, own: true, rows: &ownRows{}},
	}
	for _, b := range sent[:min(len(sent), 64)] {
		s.push(kinds[int(b)%len(kinds)])
	}
	b := &backend{s: s, in: newFrameReader(data), out: output{conn: &s.clientWriter}, reported: s.settings.Load()}
	b.open.s = s
	_ = b.run() // at the end of the bytes, if not before
	return bytes.Clone(client.Bytes())
}

// FuzzReplies plays sending and answering against the queue and against a list that
// is kept simply.
func FuzzReplies(f *testing.F) {
	f.Fuzz(func(t *testing.T, steps []byte) {
		var q replies
		var model []replyKind
		skipping := false
		ends := func(k replyKind) bool { return k == replySync || k == replyQuery || k == replyFunctionCall }
		for _, step := range steps {
			switch kind := replyKind(step%16) + 1; {
			case kind <= replyFunctionCall:
				q.push(reply{kind: kind, opens: kind == replyExecute})
				if skipping = skipping && kind != replySync; !skipping {
					model = append(model, kind)
				}
			case step%16 == 10 && len(model) > 0:
				q.pop()
				model = model[1:]
			case step%16 == 11:
				q.failed()
				if len(model) > 0 && !ends(model[0]) {
					for len(model) > 0 && model[0] != replySync {
						model = model[1:]
					}
					skipping = len(model) == 0
				}
			case step%16 == 12:
				r, ok := q.ready()
				var want replyKind
				for len(model) > 0 && !ends(want) {
					want, model = model[0], model[1:]
				}
				if ok != ends(want) || ok && r.kind != want {
					t.Fatalf("after %v a ReadyForQuery ends %v, %v, want %v", steps, r.kind, ok, want)
				}
			case step%16 == 13:
				q.copyIn()
				var kept []replyKind
				for i, k := range model {
					if i == 0 || k != replySync {
						kept = append(kept, k)
					}
				}
				model = kept
			}
			opening := 0
			for i, k := range model {
				if k == replyExecute {
					opening++
				}
				if i >= q.n || q.at(i).kind != k {
					t.Fatalf("after %v the queue has not %v at %d", steps, k, i)
				}
			}
			if q.n != len(model) || q.opening != opening || q.skipping != skipping {
				t.Fatalf("after %v: %d replies, %d opening, skipping %v; want %d, %d, %v", steps, q.n, q.opening, q.skipping, len(model), opening, skipping)
			}
		}
	})
}

// FuzzStartupPacket reads any start-up packet: no panic, and each parameter is one
// that the packet has.
func FuzzStartupPacket(f *testing.F) {
	f.Fuzz(func(t *testing.T, body []byte) {
		st := &startup{}
		st.parse(append([]byte{0, 0, 0, 0, 0, 3, 0, 0}, body...))
		for name, value := range st.parameters {
			if !bytes.Contains(body, append(append([]byte(name), 0), append([]byte(value), 0)...)) {
				t.Errorf("parameter %q is %q in %q", name, value, body)
			}
			if name == "" {
				t.Errorf("a parameter without a name in %q", body)
			}
		}
	})
}

// FuzzClientBodies takes any bytes apart as bodies of the client's messages.
func FuzzClientBodies(f *testing.F) {
	f.Fuzz(func(t *testing.T, body []byte) {
		if s, rest, ok := cutString(body); ok && !bytes.Equal(append(append(bytes.Clone(s), 0), rest...), body) {
			t.Errorf("%x is cut into %x and %x", body, s, rest)
		}
		if name, ok := nameAfter(body); ok && !bytes.HasPrefix(body[1:], append(bytes.Clone(name), 0)) {
			t.Errorf("the name in %x is %x", body, name)
		}
	})
}

// TestFuzzTargetsHaveSeeds: each target of this package has a corpus in testdata.
func TestFuzzTargetsHaveSeeds(t *testing.T) {
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	target, n := regexp.MustCompile(`(?m)^func (Fuzz\w+)\(`), 0
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range target.FindAllSubmatch(source, -1) {
			n++
			seeds, err := os.ReadDir(filepath.Join("testdata", "fuzz", string(name[1])))
			if len(seeds) < 3 {
				t.Errorf("%s has %d seeds, want 3 at least (%v)", name[1], len(seeds), err)
			}
		}
	}
	if n < 8 {
		t.Errorf("%d targets found", n)
	}
}
