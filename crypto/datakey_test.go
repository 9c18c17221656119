package crypto

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/secret"
)

const testContext = "public.spans.attributes"

func testKey(t testing.TB, id uint64, org string) *DataKey {
	t.Helper()
	k, err := NewDataKey(id, org, secret.Bytes(bytes.Repeat([]byte{byte(id)}, KeySize)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// hasCode fails the test unless err is a *pgerr.Error with the code.
func hasCode(t testing.TB, err error, code string) *pgerr.Error {
	t.Helper()
	var e *pgerr.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("got %v, want code %s", err, code)
	}
	return e
}

func TestRoundTrip(t *testing.T) {
	k := testKey(t, 7, "acme")
	for _, n := range []int{0, 1, 15, 16, 17, 64, 1000, 1 << 16} {
		plaintext := bytes.Repeat([]byte{0xAB}, n)
		sealed, err := k.Seal([]byte("before"), plaintext, testContext)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(sealed, []byte("before\x5e\xa1\x01\x00\x00\x00\x00\x00\x00\x00\x00\x07")) || len(sealed) != 6+n+Overhead {
			t.Fatalf("%d bytes: sealed value of %d bytes begins %x", n, len(sealed), sealed[:24])
		}
		sealed = sealed[6:]
		if n > 15 && bytes.Contains(sealed, plaintext) {
			t.Fatal("the plaintext is in the sealed value")
		}
		got, err := k.Open([]byte("x"), sealed, testContext)
		if err != nil || !bytes.Equal(got, append([]byte("x"), plaintext...)) {
			t.Fatalf("%d bytes: %v", n, err)
		}
		inPlace, err := k.Open(sealed[HeaderSize:HeaderSize], sealed, testContext)
		if err != nil || !bytes.Equal(inPlace, plaintext) {
			t.Fatalf("%d bytes in place: %v", n, err)
		}
	}
	if values, bytes := k.Sealed(); values != 8 || bytes != 0+1+15+16+17+64+1000+1<<16 {
		t.Errorf("counted %d values, %d bytes", values, bytes)
	}
}

func TestOpenInPlaceKeepsWhatFollows(t *testing.T) {
	k := testKey(t, 7, "acme")
	sealed, err := k.Seal(nil, []byte("value"), testContext)
	if err != nil {
		t.Fatal(err)
	}
	row := append(append([]byte("AAAA"), sealed...), "BBBB"...)
	value := row[4 : 4+len(sealed)]
	if got, err := k.Open(value[HeaderSize:HeaderSize], value, testContext); err != nil || string(got) != "value" {
		t.Fatal(err)
	}
	if string(row[:4]) != "AAAA" || string(row[4+len(sealed):]) != "BBBB" {
		t.Error("bytes around the value have changed")
	}
}

func TestSealsDiffer(t *testing.T) {
	k := testKey(t, 7, "acme")
	a, _ := k.Seal(nil, []byte("same"), testContext)
	b, _ := k.Seal(nil, []byte("same"), testContext)
	if bytes.Equal(a, b) {
		t.Error("two seals of one value are equal")
	}
}

func TestNewDataKeyZeroesAndRefuses(t *testing.T) {
	tests := []struct {
		id   uint64
		org  string
		size int
		want string
	}{
		{0, "acme", 32, "data key: id out of range"},
		{1 << 63, "acme", 32, "data key: id out of range"},
		{1, "", 32, "data key 1: org of 0 bytes: 1 to 255 are allowed"},
		{1, strings.Repeat("o", 256), 32, "data key 1: org of 256 bytes: 1 to 255 are allowed"},
		{1, "acme", 16, "data key 1: key of 16 bytes, want 32"},
		{1, "acme", 0, "data key 1: key of 0 bytes, want 32"},
		{1, "acme", 32, ""},
	}
	for _, test := range tests {
		key := secret.Bytes(bytes.Repeat([]byte{9}, test.size))
		_, err := NewDataKey(test.id, test.org, key)
		if fmt.Sprint(err) != test.want && (err != nil || test.want != "") {
			t.Errorf("%d, %d bytes of org, %d of key: %v", test.id, len(test.org), test.size, err)
		}
		if !bytes.Equal(key, make([]byte, test.size)) {
			t.Errorf("%d, %d bytes of org, %d of key: not zeroed", test.id, len(test.org), test.size)
		}
	}
}

func TestParseHeaderRefuses(t *testing.T) {
	ok, err := testKey(t, 7, "acme").Seal(nil, nil, testContext)
	if err != nil {
		t.Fatal(err)
	}
	with := func(i int, b byte) []byte {
		c := bytes.Clone(ok)
		c[i] = b
		return c
	}
	tests := []struct {
		name   string
		sealed []byte
		detail string
	}{
		{"nothing", nil, "It has 0 bytes; a sealed value has 40 or more."},
		{"short", ok[:39], "It has 39 bytes; a sealed value has 40 or more."},
		{"first magic byte", with(0, 0x5F), "It does not begin as a sealed value does."},
		{"second magic byte", with(1, 0), "It does not begin as a sealed value does."},
		{"format", with(2, 2), "Its format is 2; this version of pgseal opens format 1."},
		{"flags", with(3, 2), "Its flags have bits set that format 1 does not know."},
		{"flags and zstd", with(3, 0x81), "Its flags have bits set that format 1 does not know."},
		{"id zero", with(11, 0), "Its data key id is out of range."},
		{"id too high", with(4, 0x80), "Its data key id is out of range."},
	}
	for _, test := range tests {
		_, err := KeyID(test.sealed)
		if e := hasCode(t, err, pgerr.DoesNotOpen); e.Detail != test.detail || e.Hint == "" {
			t.Errorf("%s: %s", test.name, e.Detail)
		}
	}
}

func TestForeignKeyDoesNotOpen(t *testing.T) {
	sealed, err := testKey(t, 7, "acme").Seal(nil, []byte("secret"), testContext)
	if err != nil {
		t.Fatal(err)
	}
	_, err = testKey(t, 8, "acme").Open(nil, sealed, testContext)
	if e := hasCode(t, err, pgerr.DoesNotOpen); e.Detail != "It was sealed with data key 7, not with 8." {
		t.Error(e.Detail)
	}
	_, err = testKey(t, 7, "globex").Open(nil, sealed, testContext) // same key and id, other org
	hasCode(t, err, pgerr.DoesNotOpen)
	_, err = testKey(t, 7, "acme").Open(nil, sealed, "public.spans.events")
	hasCode(t, err, pgerr.DoesNotOpen)
}

func TestSealRefuses(t *testing.T) {
	k := testKey(t, 7, "acme")
	for _, context := range []string{"", strings.Repeat("c", MaxContext+1)} {
		_, err := k.Seal(nil, nil, context)
		hasCode(t, err, pgerr.FeatureNotSupported)
	}
	opening, err := NewOpeningKey(7, "acme", make(secret.Bytes, KeySize))
	if err != nil {
		t.Fatal(err)
	}
	_, err = opening.Seal(nil, nil, testContext)
	hasCode(t, err, pgerr.KMSUnreachable)
}

// TestSealsStopAtTheLimit: the counter, not hope, holds a key to 2^32 seals.
func TestSealsStopAtTheLimit(t *testing.T) {
	k := testKey(t, 7, "acme")
	k.seals.Store(MaxSeals - 5)
	var wg sync.WaitGroup
	var mu sync.Mutex
	sealed := 0
	for range 20 {
		wg.Go(func() {
			if _, err := k.Seal(nil, nil, testContext); err == nil {
				mu.Lock()
				sealed++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if sealed != 5 {
		t.Errorf("%d values were sealed, want 5", sealed)
	}
}

func TestClosedKeyIsUseless(t *testing.T) {
	k := testKey(t, 7, "acme")
	sealed, err := k.Seal(nil, []byte("secret"), testContext)
	if err != nil {
		t.Fatal(err)
	}
	k.Close()
	_, err = k.Open(nil, sealed, testContext)
	hasCode(t, err, pgerr.KeyUnavailable)
	_, err = k.Seal(nil, nil, testContext)
	hasCode(t, err, pgerr.KeyUnavailable)
}

func TestCommitmentsDiffer(t *testing.T) {
	key := make(secret.Bytes, KeySize)
	other := bytes.Repeat(secret.Bytes{1}, KeySize)
	seen := map[[32]byte]string{}
	for what, c := range map[string][32]byte{
		"base": Commitment(key, 1, "acme"), "id": Commitment(key, 2, "acme"),
		"org": Commitment(key, 1, "acm"), "key": Commitment(other, 1, "acme"),
	} {
		if first, twice := seen[c]; twice {
			t.Errorf("%s and %s have one commitment", first, what)
		}
		seen[c] = what
	}
}

// TestManyGoroutines is for the race detector: one key, many users.
func TestManyGoroutines(t *testing.T) {
	k := testKey(t, 7, "acme")
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			plaintext := bytes.Repeat([]byte{byte(g)}, 100)
			context := fmt.Sprintf("public.t.c%d", g)
			for range 200 {
				sealed, err := k.Seal(nil, plaintext, context)
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := k.Open(nil, sealed, context); err != nil || !bytes.Equal(got, plaintext) {
					t.Error("got something else back", err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestAllocations(t *testing.T) {
	k := testKey(t, 7, "acme")
	plaintext := make([]byte, 1024)
	room := make([]byte, 0, len(plaintext)+Overhead)
	out := make([]byte, 0, len(plaintext))
	sealed, err := k.Seal(nil, plaintext, testContext)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		if _, err := k.Seal(room, plaintext, testContext); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("Seal: %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() {
		if _, err := k.Open(out, sealed, testContext); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("Open: %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() {
		if _, err := KeyID(sealed); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("KeyID: %v allocations", n)
	}
}

func sealedSeeds(t testing.TB) [][]byte {
	seeds := [][]byte{nil, []byte("plaintext"), make([]byte, Overhead)}
	for _, v := range readVectors(t) {
		sealed := unhex(t, v.Sealed)
		seeds = append(seeds, sealed, sealed[:len(sealed)-1], sealed[:Overhead-1])
	}
	return seeds
}

func TestFuzzTargetHasSeeds(t *testing.T) {
	if n := len(sealedSeeds(t)); n < 15 {
		t.Errorf("%d seeds", n)
	}
}

// FuzzOpen: no bytes make parsing or opening panic; what parses is printed as
// the same header; and only the one true value opens.
func FuzzOpen(f *testing.F) {
	for _, s := range sealedSeeds(f) {
		f.Add(s)
	}
	v := readVectors(f)[0]
	truth := unhex(f, v.Sealed)
	k, err := NewOpeningKey(v.KeyID, v.Org, unhex(f, v.Key))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, sealed []byte) {
		if h, err := ParseHeader(sealed); err != nil {
			hasCode(t, err, pgerr.DoesNotOpen)
		} else if !bytes.Equal(h.Append(nil), sealed[:HeaderSize]) {
			t.Fatalf("header %x is printed as %x", sealed[:HeaderSize], h.Append(nil))
		}
		_, err := k.Open(nil, sealed, v.Context)
		if (err == nil) != bytes.Equal(sealed, truth) {
			t.Fatalf("%x: %v", sealed, err)
		}
	})
}

func BenchmarkSeal(b *testing.B) { benchmark(b, true) }
func BenchmarkOpen(b *testing.B) { benchmark(b, false) }

func benchmark(b *testing.B, seal bool) {
	k := testKey(b, 7, "acme")
	for _, n := range []int{64, 1024, 16384} {
		plaintext := make([]byte, n)
		room := make([]byte, 0, n+Overhead)
		sealed, err := k.Seal(nil, plaintext, testContext)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				if seal {
					_, err = k.Seal(room, plaintext, testContext)
				} else {
					_, err = k.Open(room, sealed, testContext)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
