package proxy_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/proxy"
)

// keepCanary has another session of the same pgseal read a sealed value over and
// over until the test ends: it must notice nothing.
func keepCanary(t *testing.T, f *proxytest.Fixture) {
	t.Helper()
	conn := proxytest.Connect(t, f.Through)
	var reads atomic.Int64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			var body string
			if err := conn.QueryRow(context.Background(), "SELECT body FROM notes WHERE id = 1").Scan(&body); err != nil || body != "first" {
				t.Errorf("another session reads %q, %v", body, err)
				return
			}
			reads.Add(1)
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-stopped
		if reads.Load() == 0 {
			t.Error("the other session has read nothing")
		}
	})
}

// sendRaw logs in, sends bytes, shuts down its side, and gives the transcript.
func sendRaw(t *testing.T, dsn string, raw []byte) []string {
	t.Helper()
	c := dialWire(t, dsn)
	c.player.Send(raw)
	_ = c.player.Flush() // the server may have closed the connection in the middle
	_ = c.conn().CloseWrite()
	c.player.Timeout = 2 * time.Minute // a guard against hanging only
	if err := c.player.Play("wait closed"); err != nil {
		t.Errorf("after %.300q: %v", raw, err)
	}
	return c.player.Lines
}

// compareRaw sends the same bytes to Postgres and through pgseal.
func compareRaw(t *testing.T, what, plain, through string, raw []byte) {
	t.Helper()
	want := sendRaw(t, plain, raw)
	got := sendRaw(t, through, raw)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: %.300q (-Postgres +pgseal):\n%s", what, raw, diff)
	}
}

// encode gives the bytes of messages.
func encode(t *testing.T, messages ...pgproto3.FrontendMessage) []byte {
	t.Helper()
	var raw []byte
	for _, m := range messages {
		var err error
		if raw, err = m.Encode(raw); err != nil {
			t.Fatal(err)
		}
	}
	return raw
}

// TestTruncatedAnywhere: a conversation that ends after any of its bytes.
func TestTruncatedAnywhere(t *testing.T) {
	plain, f := plainAndThrough(t, proxytest.Options{})
	keepCanary(t, f)
	whole := encode(t,
		&pgproto3.Parse{Name: "s", Query: "INSERT INTO notes (id, org_id, body) VALUES ($1, 'acme', $2)"},
		&pgproto3.Bind{PreparedStatement: "s", Parameters: [][]byte{[]byte("7"), []byte("a value")}},
		&pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, &pgproto3.Sync{},
		&pgproto3.Query{String: "DELETE FROM notes WHERE id = 7 RETURNING body"},
		&pgproto3.Query{String: "COPY notes (id, org_id, body) FROM STDIN"},
		&pgproto3.CopyData{Data: []byte("8\tacme\tcopied\n")}, &pgproto3.CopyFail{Message: "no"},
	)
	for n := range len(whole) {
		compareRaw(t, fmt.Sprintf("the first %d bytes", n), plain, f.Through, whole[:n])
	}
}

// TestGarbage: random bytes; then random bytes in messages of known types, cut to
// their lengths.
func TestGarbage(t *testing.T) {
	plain, f := plainAndThrough(t, proxytest.Options{})
	keepCanary(t, f)
	r := rand.New(rand.NewPCG(1, 2))
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.UintN(256))
			if r.IntN(3) == 0 {
				b[i] = 0
			}
		}
		return b
	}
	for i := range 60 {
		compareRaw(t, fmt.Sprintf("bytes %d", i), plain, f.Through, random(1+r.IntN(300)))
	}
	const types = "PBDECHSFdcf"
	for i := range 150 {
		var raw []byte
		for range 1 + r.IntN(12) {
			body := random(r.IntN(24))
			if r.IntN(3) == 0 { // names and counts that make sense
				body = append([]byte("S\x00\x00"), body...)
			}
			raw = append(raw, types[r.IntN(len(types))])
			raw = append(binary.BigEndian.AppendUint32(raw, uint32(4+len(body))), body...)
		}
		raw = append(raw, "S\x00\x00\x00\x04"...)
		compareRaw(t, fmt.Sprintf("messages %d", i), plain, f.Through, raw)
	}
}

// TestForbiddenOrder: messages where the protocol has no place for them.
func TestForbiddenOrder(t *testing.T) {
	plain, f := plainAndThrough(t, proxytest.Options{})
	keepCanary(t, f)
	startup := encode(t, &pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": "x"}})
	sync := encode(t, &pgproto3.Sync{})
	for name, raw := range map[string][]byte{
		"Bind before Parse":       encode(t, &pgproto3.Bind{Parameters: [][]byte{[]byte("x")}}, &pgproto3.Execute{}, &pgproto3.Sync{}),
		"Execute before Bind":     encode(t, &pgproto3.Parse{Query: "SELECT body FROM notes"}, &pgproto3.Execute{}, &pgproto3.Sync{}),
		"Describe of nothing":     encode(t, &pgproto3.Describe{ObjectType: 'S', Name: "x"}, &pgproto3.Sync{}),
		"Describe of no kind":     encode(t, &pgproto3.Describe{ObjectType: 'Q', Name: "x"}, &pgproto3.Sync{}),
		"COPY data outside":       encode(t, &pgproto3.CopyData{Data: []byte("x")}, &pgproto3.CopyDone{}, &pgproto3.CopyFail{}, &pgproto3.Query{String: "SELECT body FROM notes WHERE id = 1"}),
		"a password":              encode(t, &pgproto3.PasswordMessage{Password: "secret"}),
		"start-up twice":          startup,
		"a request for TLS":       encode(t, &pgproto3.SSLRequest{}),
		"a request for a cancel":  encode(t, &pgproto3.CancelRequest{ProcessID: 1, SecretKey: []byte{0, 0, 0, 1}}),
		"a Query in COPY":         encode(t, &pgproto3.Query{String: "COPY notes (id, org_id, body) FROM STDIN"}, &pgproto3.Query{String: "SELECT 1"}),
		"a Parse in COPY":         encode(t, &pgproto3.Query{String: "COPY notes (id, org_id, body) FROM STDIN"}, &pgproto3.CopyData{Data: []byte("7\tacme\tx\n")}, &pgproto3.Parse{Query: "SELECT 1"}),
		"Terminate in COPY":       encode(t, &pgproto3.Query{String: "COPY notes (id, org_id, body) FROM STDIN"}, &pgproto3.Terminate{}),
		"bytes behind Terminate":  append(encode(t, &pgproto3.Terminate{}), "garbage"...),
		"a storm of Syncs":        bytes.Repeat(sync, 3000),
		"a storm of Flushes":      append(bytes.Repeat(encode(t, &pgproto3.Flush{}), 3000), sync...),
		"Syncs in COPY":           append(append(encode(t, &pgproto3.Query{String: "COPY notes (id, org_id, body) FROM STDIN"}), bytes.Repeat(sync, 3000)...), encode(t, &pgproto3.CopyFail{Message: "no"}, &pgproto3.Sync{})...),
		"a storm of empty Querys": bytes.Repeat(encode(t, &pgproto3.Query{}), 1000),
		"a Sync with a body":      []byte("S\x00\x00\x00\x08more"),
		"CopyDone with a body":    append(encode(t, &pgproto3.Query{String: "COPY notes (id, org_id, body) FROM STDIN"}), "c\x00\x00\x00\x08more"...),
	} {
		compareRaw(t, name, plain, f.Through, raw)
	}
}

// TestFact41LengthWords: each type at and above the length that Postgres takes of
// it, with none of the bytes behind it.
func TestFact41LengthWords(t *testing.T) {
	plain, f := plainAndThrough(t, proxytest.Options{})
	keepCanary(t, f)
	for _, typ := range "QPBDECHSFXdcfp!\x00" {
		for _, length := range []uint32{0, 3, 4, 5, 10000, 10001, 0x3ffffffe, 0x3fffffff, 0x40000000, 0x7fffffff, 0x80000000, 0xffffffff} {
			raw := binary.BigEndian.AppendUint32([]byte{byte(typ)}, length)
			compareRaw(t, fmt.Sprintf("type %q, length %#x", typ, length), plain, f.Through, raw)
		}
	}
}

// TestFact42ManyParameters: 65,535 of them are legal, and work.
func TestFact42ManyParameters(t *testing.T) {
	plain, f := plainAndThrough(t, proxytest.Options{})
	keepCanary(t, f)
	const rows = 65535 / 3
	var sql strings.Builder
	sql.WriteString("INSERT INTO notes (id, org_id, body, n) VALUES ")
	var values [][]byte
	for i := range rows {
		if i > 0 {
			sql.WriteString(", ")
		}
		fmt.Fprintf(&sql, "($%d, 'acme', $%d, $%d)", 3*i+1, 3*i+2, 3*i+3)
		values = append(values, fmt.Append(nil, i+10), fmt.Append(nil, "body ", i), fmt.Append(nil, i))
	}
	raw := encode(t,
		&pgproto3.Parse{Query: sql.String()}, &pgproto3.Bind{Parameters: values}, &pgproto3.Execute{}, &pgproto3.Sync{},
		&pgproto3.Query{String: "SELECT count(body), count(n) FROM notes"},
		&pgproto3.Query{String: "SELECT id, body, n FROM notes WHERE id > 21840 ORDER BY id"},
		// more than the statement has, and more than there can be
		&pgproto3.Parse{Query: "UPDATE notes SET body = $1 WHERE org_id = 'acme' AND id = 1"}, &pgproto3.Bind{Parameters: values}, &pgproto3.Sync{},
		&pgproto3.Parse{Query: "SELECT $65536::text, body FROM notes"}, &pgproto3.Sync{},
	)
	compareRaw(t, "65,535 parameters", plain, f.Through, raw)
}

// TestFact41MemoryIsBounded: what a length word promises costs nothing until it
// comes, and what is above limits.message_bytes is never held.
func TestFact41MemoryIsBounded(t *testing.T) {
	f := startWithNotes(t, proxytest.Options{Limits: proxy.Limits{MessageBytes: 1 << 20}})
	unlimited := startWithNotes(t, proxytest.Options{})
	grown := heapPeak()
	for _, dsn := range []string{f.Through, unlimited.Through} {
		for range 20 { // a gigabyte each
			for _, typ := range "QPBFd" {
				sendRaw(t, dsn, append(binary.BigEndian.AppendUint32([]byte{byte(typ)}, 0x3ffffffe), make([]byte, 1000)...))
			}
		}
	}
	if n := grown(); n > 64<<20 {
		t.Errorf("the heap grew by %d bytes for messages of which little came", n)
	}

	conn := dialWire(t, f.Through)
	const size = 400 << 20
	grown = heapPeak()
	for _, typ := range "BQ" { // a value of that size, in a parameter and in a text
		head := binary.BigEndian.AppendUint32([]byte{byte(typ)}, 4+size)
		c := conn.conn()
		if _, err := c.Write(head); err != nil {
			t.Fatal(err)
		}
		chunk := make([]byte, 1<<20)
		for range size / len(chunk) {
			if _, err := c.Write(chunk); err != nil {
				t.Fatal(err)
			}
		}
		lines := conn.run("S\nwait E\nwait Z")
		if last := lines[len(lines)-2]; !strings.HasPrefix(last, "E ERROR "+pgerr.ProgramLimitExceeded) {
			t.Errorf("%c: %q, want %s", typ, last, pgerr.ProgramLimitExceeded)
		}
		if typ == 'Q' {
			conn.run("wait Z") // the Sync's
		}
	}
	if n := grown(); n > 64<<20 {
		t.Errorf("the heap grew by %d bytes for messages above the limit", n)
	}
	if lines := conn.run("Q SELECT body FROM notes WHERE id = 1\nwait Z"); lines[len(lines)-1] != "Z I" {
		t.Errorf("afterwards: %q", lines)
	}
}
