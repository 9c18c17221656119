package crypto

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// sealing is a data key, and the context of a column.
func sealing(t testing.TB) (*DataKey, string) {
	t.Helper()
	k, err := NewDataKey(7, "acme", bytes.Repeat([]byte{9}, KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return k, "public.spans.request_body"
}

func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

// TestCompression: what is compressed opens as what it was; what zstd does not make
// a tenth shorter is sealed as it is.
func TestCompression(t *testing.T) {
	k, column := sealing(t)
	text := []byte(strings.Repeat(`{"role": "user", "content": "what does our contract say?"}, `, 40_000))
	for _, test := range []struct {
		name       string
		value      []byte
		compressed bool
	}{
		{"nothing", nil, false},
		{"too short", text[:2047], false},
		{"just long enough", text[:2048], true},
		{"a page", text[:8192], true},
		{"more than one block", text[:300_000], true},
		{"more than the window", text, true},
		{"noise", noise(5000), false},
		{"much noise", noise(1 << 20), false},
		{"less than a tenth to save", append(noise(3900), text[:300]...), false},
	} {
		sealed, err := k.SealCompressed(nil, test.value, column)
		if err != nil {
			t.Fatal(err)
		}
		if got := sealed[3] == flagZstd; got != test.compressed || got && len(sealed) > len(test.value)*9/10+Overhead || !got && len(sealed) != len(test.value)+Overhead {
			t.Errorf("%s: %d bytes are sealed to %d, flags %d", test.name, len(test.value), len(sealed), sealed[3])
		}
		opened, err := k.Open(nil, sealed, column)
		if err != nil || !bytes.Equal(opened, test.value) {
			t.Errorf("%s: %d bytes come back: %v", test.name, len(opened), err)
		}
		// In place, the room behind the value is used.
		inPlace := append(make([]byte, 0, len(test.value)+len(sealed)), sealed...)
		opened, err = k.Open(inPlace[HeaderSize:HeaderSize], inPlace, column)
		if err != nil || !bytes.Equal(opened, test.value) {
			t.Errorf("%s: in place, %d bytes come back: %v", test.name, len(opened), err)
		}
		// The flag decides, and cannot be changed.
		flipped := bytes.Clone(sealed)
		flipped[3] ^= flagZstd
		if _, err := k.Open(nil, flipped, column); hasCode(t, err, pgerr.DoesNotOpen) == nil {
			t.Errorf("%s: opens with the other flag", test.name)
		}
	}
	if values, n := k.Sealed(); values != 9 || n < uint64(len(text)) {
		t.Errorf("%d values, %d bytes are counted: those that were given, not what they were compressed to", values, n)
	}
}

// TestBrokenFrame: a frame that is none, though it was sealed so.
func TestBrokenFrame(t *testing.T) {
	k, column := sealing(t)
	h := Header{KeyID: k.ID(), Flags: flagZstd}
	sealed := (*k.aead.Load()).Seal(h.Append(nil), nil, []byte("no frame"), appendAAD(nil, h, k.Org(), column))
	if _, err := k.Open(nil, sealed, column); hasCode(t, err, pgerr.DoesNotOpen).Detail != "It was compressed before it was sealed, and does not decompress." {
		t.Error(err)
	}
}

// TestCompressionByMany: the coders are shared.
func TestCompressionByMany(t *testing.T) {
	k, column := sealing(t)
	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() {
			value := []byte(strings.Repeat(fmt.Sprintf("session %d says the same again, ", i), 200+i))
			for range 20 {
				sealed, err := k.SealCompressed(nil, value, column)
				if err != nil || sealed[3] != flagZstd {
					t.Error(err)
					return
				}
				if opened, err := k.Open(nil, sealed, column); err != nil || !bytes.Equal(opened, value) {
					t.Errorf("%d bytes come back, %v", len(opened), err)
				}
			}
		})
	}
	all.Wait()
}

// TestCompressionAllocates: nothing, with room for the values.
func TestCompressionAllocates(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector drops what is pooled at random")
	}
	k, column := sealing(t)
	value := []byte(strings.Repeat("what does our contract say? ", 200))
	sealed, err := k.SealCompressed(nil, value, column)
	if err != nil {
		t.Fatal(err)
	}
	room, opened := make([]byte, 0, 2*len(value)), make([]byte, 0, 2*len(value))
	if n := testing.AllocsPerRun(100, func() {
		if _, err := k.SealCompressed(room, value, column); err != nil {
			t.Fatal(err)
		}
		if _, err := k.Open(opened, sealed, column); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkCompression(b *testing.B) {
	k, column := sealing(b)
	for _, n := range []int{4 << 10, 16 << 10} {
		value := []byte(strings.Repeat(`{"role": "user", "content": "what does our contract say?"}, `, n/60+1))[:n]
		sealed, err := k.SealCompressed(nil, value, column)
		if err != nil {
			b.Fatal(err)
		}
		room := make([]byte, 0, 2*n)
		b.Run(fmt.Sprintf("seal %d", n), func(b *testing.B) {
			b.SetBytes(int64(n))
			for b.Loop() {
				_, _ = k.SealCompressed(room, value, column)
			}
		})
		b.Run(fmt.Sprintf("open %d", n), func(b *testing.B) {
			b.SetBytes(int64(n))
			for b.Loop() {
				_, _ = k.Open(room, sealed, column)
			}
		})
	}
}
