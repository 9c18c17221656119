package audit

import (
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/pgseal/pgseal/crypto/keystore"
)

// How is what was done, or was refused.
type How string

const (
	Open    How = "open"            // a value
	Seal    How = "seal"            // a value
	Set     How = "set"             // the setting that orgs come from
	Connect How = "start-up packet" // the same, when the client connects
)

// Actions of entries.
const (
	ActionOpen    = "open data"
	ActionRefused = "refuse access"
	ActionLost    = "entries lost"
)

// UseActions are those that tell who has used which data: all else in the audit log is
// changes.
var UseActions = []string{ActionOpen, ActionRefused, ActionLost}

// Use is who uses which org's data, from where.
type Use struct {
	How How
	Org string
	// Claimed: the client has named the org. It may be one that nobody knows.
	Claimed         bool
	User            string // the database user who logged in
	Unauthenticated bool   // or says that it is one
	Database        string
	Client          string // its host
	Application     string // what the client says of itself
	Column          string // schema.table.column; empty when it is not about one
}

// maxName bounds what is kept of a name that a client gives: names of Postgres have no
// more, nor have orgs.
const (
	maxName = 63
	maxOrg  = 255
)

// clean is u with what clients choose cut and escaped.
func (u Use) clean() Use {
	u.Org = clean(u.Org, maxOrg)
	for _, s := range []*string{&u.User, &u.Database, &u.Client, &u.Application} {
		*s = clean(*s, maxName)
	}
	return u
}

// clean cuts a text at a number of bytes, and escapes what is not printable.
func clean(s string, most int) string {
	cut := len(s) > most
	if cut {
		s = s[:most]
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == '\uFFFD' && !strings.HasPrefix(s[i:], "\uFFFD"): // a byte that is no text
			b.WriteString(`\x` + strconv.FormatUint(uint64(s[i])|0x100, 16)[1:])
		case strconv.IsPrint(r):
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	if cut {
		b.WriteString("…")
	}
	return b.String()
}

// entry is what waits to be written.
type entry struct {
	use     Use
	action  string
	count   int64     // how often it happened
	further bool      // it stands for different refusals, of which use has the user alone
	from    time.Time // when it happened first, and last
	to      time.Time
	due     time.Time // not to be written before

	logged bool // it is in the structured log
}

// unknownOrg stands for an org's name that is not known to be one.
const unknownOrg = "(not known)"

// event makes the entry what the keystore keeps. Named tells that the org's name may be
// written down.
func (e *entry) event(process string, named bool) keystore.Event {
	u := &e.use
	event := keystore.Event{
		At: e.from, Actor: keystore.Actor{Name: u.User, Process: process}, Action: e.action, Org: u.Org,
		Detail: map[string]string{
			"how": string(u.How), "client": u.Client, "database": u.Database, "application": u.Application, "column": u.Column,
		},
	}
	if u.Unauthenticated {
		event.Actor.Name, event.Detail["user"] = "(not authenticated)", u.User
	}
	if !named && u.Org != "" {
		event.Org, event.Detail["org"] = "", unknownOrg
	}
	if e.further {
		event.Detail["how"] = "further refusals, of several kinds"
	}
	if e.count > 1 {
		event.Detail["count"], event.Detail["until"] = strconv.FormatInt(e.count, 10), e.to.UTC().Format(time.RFC3339)
	}
	maps.DeleteFunc(event.Detail, func(_, value string) bool { return value == "" })
	return event
}

// event makes the entry that tells of those that there was no room for.
func (g gap) event(process string) keystore.Event {
	return keystore.Event{
		At: g.from, Actor: keystore.Actor{Name: "pgseal", Process: process}, Action: ActionLost,
		Detail: map[string]string{
			"count": strconv.FormatInt(g.count, 10), "until": g.to.UTC().Format(time.RFC3339),
			"why": "the keystore did not answer, and there was no room for more; the structured log has them",
		},
	}
}
