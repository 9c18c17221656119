package orms_test

import (
	"strconv"
	"sync"
	"testing"

	"github.com/pgseal/pgseal/internal/clienttest"
)

const tableHead = `# Mappers and tools

What object-relational mappers, and tools that look at schemas, can do through pgseal. The test suite of [internal/orms](../internal/orms)
makes this page: each plays an application of its own, with its defaults, against Postgres and through pgseal with twelve columns of two
tables sealed. **yes** means that it saw the same, line for line, that another client then read the same rows, that what lay in Postgres was
sealed, and that no value stood in the server's log. **–** means that it has no such feature, or that its program does not play it.

What they sent to Postgres is kept in [rewrite/testdata/corpus](../rewrite/testdata/corpus): pgseal refuses what searches a sealed column, and
nothing else of it; what it refuses besides is listed below. Statements are counted that differ in more than their values.

`

// Rows of the table beside the features.
const (
	versionRow = "version"
	sentRow    = "statements"
	refusedRow = "of these search a sealed column, and are refused"
	otherRow   = "others that are refused"
)

// outcomes are what the mappers did. It is safe for concurrent use.
type outcomes struct {
	mu   sync.Mutex
	seen map[string]map[string]string // mapper -> row -> cell
}

func newOutcomes() *outcomes { return &outcomes{seen: map[string]map[string]string{}} }

// program records what a mapper is and sent.
func (o *outcomes) program(mapper, version string, s *sentBy) {
	o.mu.Lock()
	defer o.mu.Unlock()
	searches, others := 0, 0
	for _, st := range s.corpus.Statements {
		switch {
		case st.Refused && st.At == searching:
			searches++
		case st.Refused:
			others++
		}
	}
	cells := map[string]string{
		versionRow: version, sentRow: strconv.Itoa(len(s.corpus.Statements)), refusedRow: strconv.Itoa(searches), otherRow: strconv.Itoa(others),
	}
	for _, f := range features {
		cells[f.Name] = "–"
	}
	o.seen[mapper] = cells
}

// feature records what came of a feature.
func (o *outcomes) feature(mapper, feature string, same bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen[mapper][feature] = "no"
	if same {
		o.seen[mapper][feature] = "yes"
	}
}

// check compares docs/orms.md with what was seen, or writes it.
func (o *outcomes) check(t *testing.T) {
	t.Helper()
	table := &clienttest.Table{
		File: "../../docs/orms.md", Command: "go test ./internal/orms -update", Head: tableHead,
		Told: []string{versionRow, sentRow, refusedRow}, Features: features, Ways: []string{otherRow}, Tail: listRefusals(),
	}
	for _, m := range mappers {
		table.Clients = append(table.Clients, m.name)
	}
	table.Check(t, o.seen, *update)
}
