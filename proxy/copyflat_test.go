package proxy_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/proxy"
)

// heapPeak gives a function that tells how far the heap has grown at most since.
// Garbage is collected early meanwhile: else there is as much of it as other tests
// have left in use.
func heapPeak() (stop func() uint64) {
	var before, now runtime.MemStats
	percent := debug.SetGCPercent(10)
	runtime.GC()
	runtime.ReadMemStats(&before)
	var most uint64
	var wg sync.WaitGroup
	done := make(chan struct{})
	wg.Add(1)
	go func() {
		defer wg.Done()
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapInuse)
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	}()
	return func() uint64 {
		close(done)
		wg.Wait()
		debug.SetGCPercent(percent)
		return most - min(most, before.HeapInuse)
	}
}

// repeated reads the same rows again and again: a first piece once, then the other
// many times, then the last.
type repeated struct {
	first, again, last string
	times              int
	rest               string
	begun              bool
}

func (r *repeated) Read(b []byte) (int, error) {
	for r.rest == "" {
		switch {
		case !r.begun:
			r.rest, r.begun = r.first, true
		case r.times > 0:
			r.times--
			r.rest = r.again
		case r.last != "":
			r.rest, r.last = r.last, ""
		default:
			return 0, io.EOF
		}
	}
	n := copy(b, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// TestCopyOfAnySizeIsFlat: more than a hundred megabytes go through in each direction, and
// pgseal holds little of it.
func TestCopyOfAnySizeIsFlat(t *testing.T) {
	const most, size, rows = 24 << 20, 4000, 12500 // 50 MB of values in each of six runs, twice that on the server's side
	f := startWithNotes(t, proxytest.Options{})
	conn := proxytest.Connect(t, f.Through)
	value := strings.Repeat("value of a note ", size/16)
	binaryRow := binary.BigEndian.AppendUint16(nil, 3)
	for _, field := range []string{"\x00\x00\x00\x07", "acme", value} {
		binaryRow = append(binary.BigEndian.AppendUint32(binaryRow, uint32(len(field))), field...)
	}
	for options, data := range map[string]*repeated{
		"":       {again: "7\tacme\t" + value + "\n", times: rows},
		"CSV":    {again: "7,acme,\"" + value + "\"\n", times: rows},
		"BINARY": {first: "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00", again: string(binaryRow), times: rows, last: "\xff\xff"},
	} {
		peak := heapPeak()
		// The server reads and checks each row, and stores none.
		tag, err := conn.PgConn().CopyFrom(t.Context(), data, "COPY notes (id, org_id, body) FROM STDIN "+options+" WHERE id <> 7")
		if grown := peak(); err != nil || tag.RowsAffected() != 0 || data.times != 0 || grown > most {
			t.Errorf("in, %q: %v, %v, the heap grew by %d bytes", options, tag, err, grown)
		}
	}
	proxytest.Exec(t, f.Through, "UPDATE notes SET body = '"+value+"' WHERE id = 1 AND org_id = 'acme'")
	for _, options := range []string{"", "CSV", "BINARY"} {
		var out counter
		peak := heapPeak()
		tag, err := conn.PgConn().CopyTo(t.Context(), &out, fmt.Sprintf("COPY (SELECT n.org_id, n.body FROM notes n, generate_series(1, %d) AS g(i) WHERE n.id = 1) TO STDOUT %s", rows, options))
		if grown := peak(); err != nil || tag.RowsAffected() != rows || out.bytes < size*rows || grown > most {
			t.Errorf("out, %q: %v, %v, %d bytes, the heap grew by %d", options, tag, err, out.bytes, grown)
		}
	}
}

// TestCopyOfARowThatIsTooLong: it fails the COPY, and nothing else.
func TestCopyOfARowThatIsTooLong(t *testing.T) {
	f := startWithNotes(t, proxytest.Options{Limits: proxy.Limits{MessageBytes: 1 << 20}})
	conn := proxytest.Connect(t, f.Through)
	long := strings.Repeat("x", 2<<20)
	const header, id = "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00", "\x00\x03\x00\x00\x00\x04\x00\x00\x00\x0b\x00\x00\x00\x04acme\x00\x20\x00\x00"
	for options, data := range map[string]string{
		"": "10\tacme\tx\n11\tacme\t" + long + "\n", "CSV": "10,acme,x\n11,acme,\"" + long + "\"\n", "BINARY": header + id + long + "\xff\xff",
	} {
		peak := heapPeak()
		_, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader(data), "COPY notes (id, org_id, body) FROM STDIN "+options)
		if grown := peak(); codeOf(err) != pgerr.ProgramLimitExceeded || grown > 16<<20 {
			t.Errorf("%q: %v, want %s; the heap grew by %d bytes", options, err, pgerr.ProgramLimitExceeded, grown)
		}
		if got := read(t, conn, "SELECT count(*) FROM notes"); got != "count:20 [2]" {
			t.Errorf("%q: %s", options, got)
		}
	}
}
