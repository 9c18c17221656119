package clients_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/pgseal/pgseal/internal/clienttest"
)

const tableHead = `# Clients

What real clients can do through pgseal. The test suite of [internal/clients](../internal/clients) makes this page: each client plays each
feature with its defaults, against Postgres and through pgseal with all columns but two sealed. **yes** means that it saw the same, line for
line, that another client then read the same rows, that what lay in Postgres was sealed, and that no value stood in the server's log.
**–** means that the client does not have the feature.

`

// Rows of the table beside the features and the legs.
const (
	versionRow = "version"
	serverRow  = "against Postgres"
)

// outcomes are what the clients did. It is safe for concurrent use.
type outcomes struct {
	server   string // its version
	mu       sync.Mutex
	versions map[string]string
	legs     map[string]map[string]bool         // client -> leg that was played to the end -> whether all of it passed
	features map[string]map[string]map[int]bool // client -> feature -> what came of it on the legs: same, or a known difference
}

// What came of a feature, beside the number of a known difference.
const (
	same   = -1
	failed = -2
)

func newOutcomes() *outcomes {
	return &outcomes{versions: map[string]string{}, legs: map[string]map[string]bool{}, features: map[string]map[string]map[int]bool{}}
}

// feature records what came of a feature on a leg.
func (o *outcomes) feature(client, feature string, outcome int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.features[client] == nil {
		o.features[client] = map[string]map[int]bool{}
	}
	if o.features[client][feature] == nil {
		o.features[client][feature] = map[int]bool{}
	}
	o.features[client][feature][outcome] = true
}

// leg records that a client played all features on a leg.
func (o *outcomes) leg(client, version, leg string, passed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.versions[client] = version
	if o.legs[client] == nil {
		o.legs[client] = map[string]bool{}
	}
	o.legs[client][leg] = passed
}

// check compares docs/clients.md with what was seen, or writes it.
func (o *outcomes) check(t *testing.T) {
	table := &clienttest.Table{
		File: "../../docs/clients.md", Command: "go test ./internal/clients -update", Head: tableHead,
		Told: []string{versionRow, serverRow}, Features: features,
	}
	for _, l := range legs {
		table.Ways = append(table.Ways, l.name)
	}
	for _, d := range differences {
		table.Notes = append(table.Notes, d.why)
	}
	seen := map[string]map[string]string{}
	for _, c := range clients {
		table.Clients = append(table.Clients, c.name)
		if len(o.legs[c.name]) == len(legs) {
			seen[c.name] = o.column(c.name)
		}
	}
	table.Check(t, seen, *update)
}

// column gives a client's cells.
func (o *outcomes) column(client string) map[string]string {
	column := map[string]string{versionRow: o.versions[client], serverRow: o.server}
	for _, f := range features {
		column[f.Name] = "–"
		outcomes := o.features[client][f.Name]
		for outcome := range outcomes {
			switch {
			case outcomes[failed]:
				column[f.Name] = "no"
			case outcome >= 0:
				column[f.Name] = fmt.Sprintf("no [^%d]", outcome+1)
			case len(outcomes) == 1:
				column[f.Name] = "yes"
			}
		}
	}
	for _, l := range legs {
		column[l.name] = "no"
		if o.legs[client][l.name] {
			column[l.name] = "yes"
		}
	}
	return column
}
