package audit

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pgseal/pgseal/crypto/keystore"
)

var start = time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)

// described are the entries that wait, in words.
func (p *pending) described() string {
	var list []string
	for _, e := range p.list {
		what := e.use.User + ">" + e.use.Org
		if e.further {
			what = e.use.User + ">further"
		}
		list = append(list, fmt.Sprintf("%s %s x%d", strings.Fields(e.action)[0], what, e.count))
	}
	return strings.Join(list, ", ")
}

func TestFirstOpenInAPeriod(t *testing.T) {
	p := newPending(100)
	for i, u := range []Use{{User: "a", Org: "acme"}, {User: "a", Org: "acme", Client: "elsewhere"}, {User: "b", Org: "acme"}, {User: "a", Org: "globex"}, {User: "b", Org: "acme"}} {
		p.opened(u, 1, start.Add(time.Duration(i)))
	}
	p.opened(Use{User: "a", Org: "acme"}, 2, start)
	p.opened(Use{User: "a", Org: "acme"}, 2, start)
	if got, want := p.described(), "open a>acme x1, open b>acme x1, open a>globex x1, open a>acme x1"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestRefusalsAreCounted: the same one again is one entry, with how often and until when.
func TestRefusalsAreCounted(t *testing.T) {
	p := newPending(100)
	for i := range 1000 {
		p.refused(Use{How: Open, User: "a", Org: "acme"}, start.Add(time.Duration(i)*time.Millisecond))
	}
	p.refused(Use{How: Seal, User: "a", Org: "acme"}, start)
	if got, want := p.described(), "refuse a>acme x1000, refuse a>acme x1"; got != want {
		t.Fatalf("%s, want %s", got, want)
	}
	event := p.list[0].event("process", true)
	want := keystore.Event{
		At: start, Actor: keystore.Actor{Name: "a", Process: "process"}, Action: ActionRefused, Org: "acme",
		Detail: map[string]string{"how": "open", "count": "1000", "until": "2026-03-01T09:30:00Z"},
	}
	if !reflect.DeepEqual(event, want) {
		t.Errorf("%+v", event)
	}
}

// TestRefusalsDoNotFlood: a user that makes different refusals without end has a bounded
// number of entries a minute, and none of the refusals goes uncounted. Users that are not
// authenticated are all one.
func TestRefusalsDoNotFlood(t *testing.T) {
	for _, unauthenticated := range []bool{false, true} {
		p := newPending(1 << 20)
		const minutes, each = 3, 5000
		entries, counted := 0, int64(0)
		for i := range minutes * each {
			now := start.Add(time.Duration(i) * time.Minute / each)
			user := "a"
			if unauthenticated {
				user = fmt.Sprint(i)
			}
			p.refused(Use{User: user, Unauthenticated: unauthenticated, Org: fmt.Sprint(i), Claimed: true}, now)
			if i%100 == 0 {
				batch, lost := p.take(batchSize, false, now)
				for _, e := range batch {
					entries, counted = entries+1, counted+e.count
				}
				p.stored(batch, lost)
			}
		}
		batch, _ := p.take(batchSize, true, start)
		for _, e := range batch {
			entries, counted = entries+1, counted+e.count
		}
		if entries > (minutes+1)*(perWindow+1) || counted != minutes*each {
			t.Errorf("unauthenticated %v: %d entries for %d of %d refusals", unauthenticated, entries, counted, minutes*each)
		}
	}
}

// TestOneUserDoesNotHideAnother: whatever one does, another's refusal has an entry of
// its own.
func TestOneUserDoesNotHideAnother(t *testing.T) {
	p := newPending(1000)
	for i := range 5000 {
		p.refused(Use{User: "loud", Org: fmt.Sprint(i)}, start)
	}
	p.refused(Use{User: "quiet", Org: "acme"}, start)
	if got := p.described(); !strings.HasSuffix(got, "refuse quiet>acme x1") || !strings.Contains(got, fmt.Sprintf("refuse loud>further x%d", 5000-perWindow)) {
		t.Error(got)
	}
}

// TestWhatIsTakenStays: it is forgotten when it is stored, and not counted up meanwhile.
func TestWhatIsTakenStays(t *testing.T) {
	p := newPending(100)
	u := Use{User: "a", Org: "acme"}
	p.refused(u, start)
	p.opened(u, 1, start)
	batch, lost := p.take(10, false, start)
	p.refused(u, start)
	if len(batch) != 2 || batch[0].count != 1 {
		t.Fatal(p.described())
	}
	p.keep(batch)
	if got := p.described(); got != "refuse a>acme x1, open a>acme x1, refuse a>acme x1" {
		t.Error("kept:", got)
	}
	batch, _ = p.take(2, false, start)
	p.stored(batch, lost)
	if got := p.described(); got != "refuse a>acme x1" {
		t.Error("stored:", got)
	}
	p.refused(u, start)
	if got := p.described(); got != "refuse a>acme x2" {
		t.Error("counts on:", got)
	}
}

// TestNoRoom: what there is no room for is counted, and given back for the structured log.
func TestNoRoom(t *testing.T) {
	p := newPending(3)
	dropped := 0
	for i := range 5 {
		if p.opened(Use{User: "a", Org: fmt.Sprint(i)}, 1, start.Add(time.Duration(i)*time.Second)) != nil {
			dropped++
		}
	}
	batch, lost := p.take(10, false, start)
	if dropped != 2 || len(batch) != 3 || lost.count != 2 || !lost.from.Equal(start.Add(3*time.Second)) || !lost.to.Equal(start.Add(4*time.Second)) {
		t.Fatalf("%d dropped, %d waiting, lost %+v", dropped, len(batch), lost)
	}
	p.refused(Use{User: "b"}, start.Add(time.Minute))
	p.stored(batch, lost)
	if p.lost.count != 1 || len(p.list) != 0 {
		t.Errorf("afterwards: %+v, %s", p.lost, p.described())
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "acme": "acme", "Zoë 5": "Zoë 5", "a\nb\x00c\x1b[31m": `a\nb\x00c\x1b[31m`, "a\xffb": `a\xffb`, "\uFFFD": "\uFFFD", "\u202e": `\u202e`,
		strings.Repeat("é", 100): strings.Repeat("é", 31) + `\xc3…`,
	} {
		if got := clean(in, maxName); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	u := Use{Org: strings.Repeat("o", 1<<20), User: "a\n", Database: "\x00", Client: "::1", Application: strings.Repeat("x", 100)}.clean()
	if len(u.Org) != maxOrg+len("…") || u.User != `a\n` || u.Database != `\x00` || u.Client != "::1" || len(u.Application) != maxName+len("…") {
		t.Errorf("%+v", u)
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"", "acme", "a\xff\n", strings.Repeat("é", 40), "\uFFFD"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := clean(s, maxName)
		if len(got) > 10*maxName+len("…") || strings.ToValidUTF8(got, "") != got || strings.ContainsAny(got, "\x00\n\r\x1b") {
			t.Errorf("%q becomes %q", s, got)
		}
	})
}

// TestUnknownOrg: a name that nobody knows may be anything, and is not written down.
func TestUnknownOrg(t *testing.T) {
	e := entry{use: Use{How: Seal, Org: "s3cret", Claimed: true, User: "a"}, action: ActionRefused, count: 1, from: start}
	if event := e.event("p", false); event.Org != "" || event.Detail["org"] != unknownOrg || strings.Contains(fmt.Sprint(event), "s3cret") {
		t.Errorf("%+v", event)
	}
	e.use.Unauthenticated = true
	if event := e.event("p", true); event.Org != "s3cret" || event.Actor.Name != "(not authenticated)" || event.Detail["user"] != "a" {
		t.Errorf("%+v", event)
	}
}

func TestNil(t *testing.T) {
	var l *Log
	l.Opened(Use{})
	l.Refused(Use{})
	if l.Period() != 0 {
		t.Error("a period")
	}
}
