package keystore

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
	"time"
)

// vectorEntry is an entry in testdata/audit.json, which other programs that verify the
// chain can be held to.
type vectorEntry struct {
	ID        int64             `json:"id"`
	At        string            `json:"at"`
	Actor     string            `json:"actor"`
	Process   string            `json:"process"`
	Action    string            `json:"action"`
	Org       string            `json:"org"`
	Detail    map[string]string `json:"detail"`
	Prev      string            `json:"prev_hash"`
	Canonical string            `json:"canonical"`
	Hash      string            `json:"hash"`
}

func TestVectors(t *testing.T) {
	file, err := os.ReadFile("testdata/audit.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vectorEntry
	decoder := json.NewDecoder(bytes.NewReader(file))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&vectors); err != nil || len(vectors) < 3 {
		t.Fatal(len(vectors), err)
	}
	var last Event
	for _, v := range vectors {
		at, err := time.Parse(time.RFC3339Nano, v.At)
		if err != nil {
			t.Fatal(err)
		}
		e := chained(Event{At: at, Actor: Actor{Name: v.Actor, Process: v.Process}, Action: v.Action, Org: v.Org, Detail: v.Detail}, last)
		if e.ID != v.ID || e.Prev.String() != v.Prev || hex.EncodeToString(e.canonical(nil)) != v.Canonical || e.Hash.String() != v.Hash {
			t.Errorf("entry %d has the canonical bytes %x and the hash %s", v.ID, e.canonical(nil), e.Hash)
		}
		last = e
	}
}

// TestEveryFieldCounts: entries that differ in anything have different hashes, also
// where a text only moves from one field to the next.
func TestEveryFieldCounts(t *testing.T) {
	base := func() Event {
		return Event{ID: 3, At: time.UnixMicro(5), Actor: Actor{"a", "p"}, Action: "x", Org: "o", Detail: map[string]string{"k": "v"}, Prev: Hash{1}}
	}
	seen := map[Hash]int{}
	for i, change := range []func(*Event){
		func(*Event) {},
		func(e *Event) { e.ID = 4 },
		func(e *Event) { e.At = time.UnixMicro(6) },
		func(e *Event) { e.At = time.UnixMicro(-5) },
		func(e *Event) { e.Actor.Name = "b" },
		func(e *Event) { e.Actor.Process = "" },
		func(e *Event) { e.Actor = Actor{"ap", ""} },
		func(e *Event) { e.Actor = Actor{"", "ap"} },
		func(e *Event) { e.Action, e.Org = "xo", "" },
		func(e *Event) { e.Org = "" },
		func(e *Event) { e.Detail = nil },
		func(e *Event) { e.Detail = map[string]string{"kv": ""} },
		func(e *Event) { e.Detail = map[string]string{"k": "v", "": ""} },
		func(e *Event) { e.Prev = Hash{2} },
	} {
		e := base()
		change(&e)
		if other, twice := seen[e.hash()]; twice {
			t.Errorf("changes %d and %d have the same hash", other, i)
		}
		seen[e.hash()] = i
	}
}

func TestParseHash(t *testing.T) {
	h := Hash{0xab, 31: 1}
	if got, err := ParseHash(" " + h.String() + "\n"); err != nil || got != h {
		t.Error(got, err)
	}
	for _, s := range []string{"", "ab", h.String() + "00", "zz" + h.String()[2:]} {
		if _, err := ParseHash(s); err == nil {
			t.Errorf("%q is read", s)
		}
	}
}
