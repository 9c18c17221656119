package clients_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
)

// tableFile is docs/clients.md: made by the tests with -update, else compared with
// what they saw. The versions in it are of the machine that made it.
const tableFile = "../../docs/clients.md"

const tableHead = `# Clients

What real clients can do through pgseal. The test suite of [internal/clients](../internal/clients) makes this page: each client plays each
feature with its defaults, against Postgres and through pgseal with all columns but two sealed. **yes** means that it saw the same, line for
line, that another client then read the same rows, that what lay in Postgres was sealed, and that no value stood in the server's log.
**–** means that the client does not have the feature.

`

// Rows of the table beside the features and the legs. What they say is of the
// machine that wrote the table, and is not compared.
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

// check compares the table with what was seen, or writes it. Of a client that did
// not play on all legs, because it is not here or was left out, the table keeps
// what it has.
func (o *outcomes) check(t *testing.T) {
	old, err := os.ReadFile(tableFile)
	if err != nil && !*update {
		t.Fatal(err)
	}
	cells := readTable(old)
	for _, c := range clients {
		if len(o.legs[c.name]) < len(legs) {
			continue
		}
		for row, cell := range o.column(c.name) {
			was := cells[row][c.name]
			if row != versionRow && row != serverRow && cell != was && !*update {
				t.Errorf("docs/clients.md: %s, %s: %q, but it is %q: run go test ./internal/clients -update", c.name, row, was, cell)
			}
			if cells[row] == nil {
				cells[row] = map[string]string{}
			}
			cells[row][c.name] = cell
		}
	}
	if !*update {
		if want := writeTable(readTable(old)); !bytes.Equal(want, old) {
			t.Error("docs/clients.md is not as the tests write it: run go test ./internal/clients -update")
		}
		return
	}
	if err := os.WriteFile(tableFile, writeTable(cells), 0o644); err != nil {
		t.Fatal(err)
	}
}

// column gives a client's cells.
func (o *outcomes) column(client string) map[string]string {
	column := map[string]string{versionRow: o.versions[client], serverRow: o.server}
	for _, f := range features {
		column[f.name] = "–"
		outcomes := o.features[client][f.name]
		for outcome := range outcomes {
			switch {
			case outcomes[failed]:
				column[f.name] = "no"
			case outcome >= 0:
				column[f.name] = fmt.Sprintf("no [^%d]", outcome+1)
			case len(outcomes) == 1:
				column[f.name] = "yes"
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

// rows are the table's rows, in order.
func rows() []string {
	list := []string{versionRow, serverRow}
	for _, f := range features {
		list = append(list, f.name)
	}
	for _, l := range legs {
		list = append(list, l.name)
	}
	return list
}

// readTable reads the cells, by row and client.
func readTable(text []byte) map[string]map[string]string {
	cells := map[string]map[string]string{}
	var names []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Split(strings.TrimSpace(line), "|")
		if len(fields) < 3 || fields[0] != "" {
			continue
		}
		fields = fields[1 : len(fields)-1]
		for i := range fields {
			fields[i] = strings.TrimSpace(fields[i])
		}
		switch {
		case names == nil:
			names = fields
		case len(fields) == len(names) && !strings.HasPrefix(fields[0], "-"):
			row := map[string]string{}
			for i, cell := range fields[1:] {
				row[names[i+1]] = cell
			}
			cells[fields[0]] = row
		}
	}
	return cells
}

func writeTable(cells map[string]map[string]string) []byte {
	var b bytes.Buffer
	b.WriteString(tableHead)
	line := func(first string, cell func(client string) string) {
		b.WriteString("| " + first + " |")
		for _, c := range clients {
			b.WriteString(" " + cell(c.name) + " |")
		}
		b.WriteString("\n")
	}
	line("", func(client string) string { return client })
	b.WriteString("|---" + strings.Repeat("|---", len(clients)) + "|\n")
	for _, row := range rows() {
		line(row, func(client string) string { return cells[row][client] })
	}
	b.WriteString("\n## The features\n\n| feature | what is played |\n|---|---|\n")
	for _, f := range features {
		fmt.Fprintf(&b, "| %s | %s |\n", f.name, f.what)
	}
	for i, d := range differences {
		fmt.Fprintf(&b, "\n[^%d]: %s\n", i+1, d.why)
	}
	return b.Bytes()
}
