// Package sqlcorpus keeps the statements that programs really send in files, in
// which they can be planned without a server, by package rewrite's tests.
//
// A file tells what sent the statements, to which server; has the relations that they
// are about, one a line, a blank line, and the statements:
//
//	of Django 3.2, Postgres 15
//	relation public.notes r org=column:org id:20 org:1043 code!character_varying(20)
//
//	=== read extended
//	SELECT body FROM notes WHERE id = $1
//
//	=== searches refused
//	SELECT id FROM notes WHERE body = 'x'
//
// The relation's kind is pg_class.relkind; a column has its type's OID, or ! and its
// logical type when it is sealed. A statement is told what the program was at, extended when it came in the
// extended protocol, and refused when pgseal refuses it.
//
// Files: corpus.go has the model, format.go the format, log.go reads statements from a server's log.
package sqlcorpus

import (
	"fmt"
	"regexp"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/internal/catalog"
	"github.com/pgseal/pgseal/policy"
)

// Statement is a text that a program sent.
type Statement struct {
	At       string // what the program was doing
	Extended bool
	Refused  bool
	Text     string
}

const (
	firstOID  = 16384
	sealedOID = 90000 // of pgseal.sealed in catalogs that are read from files
)

// Corpus is a file's contents.
type Corpus struct {
	Of         string // what sent it, and to which server
	Relations  []*catalog.Relation
	Statements []Statement
}

// Snapshot is a catalog of the relations of corpora, whose OIDs it sets. A view has the
// query that its corpus makes it with.
func Snapshot(corpora ...*Corpus) *catalog.Snapshot {
	p := &policy.Policy{}
	var all []*catalog.Relation
	for _, c := range corpora {
		for _, r := range c.Relations {
			if r.Policy != nil {
				p.Tables = append(p.Tables, r.Policy)
			}
			all = append(all, r)
			r.OID = firstOID + uint32(len(all))
			for i := range c.Statements {
				if query, ok := strings.CutPrefix(c.Statements[i].Text, "CREATE VIEW "+r.Name+" AS "); ok && r.IsView() {
					r.Definition = query
				}
			}
		}
	}
	return catalog.New(1, sealedOID, p, all)
}

// generated are names that differ at each run: of cursors and savepoints.
var generated = []struct {
	name *regexp.Regexp
	as   string
}{
	{regexp.MustCompile(`_django_curs_\d+_\w+?_\d+`), "_django_curs_1_sync_1"},
	{regexp.MustCompile(`\bc_[0-9a-f]+_[0-9a-f]+\b`), "c_1_1"},
	{regexp.MustCompile(`\bs\d{9,}_x(\d+)`), "s1_x$1"},
}

// Distinct leaves of several statements that differ in nothing but their values the
// first one.
func Distinct(all []Statement) []Statement {
	var list []Statement
	known := map[string]bool{}
	for _, st := range all {
		for _, g := range generated {
			st.Text = g.name.ReplaceAllString(st.Text, g.as)
		}
		if key := st.Key(); !known[key] {
			known[key] = true
			list = append(list, st)
		}
	}
	return list
}

// Key is the same for statements that differ in nothing but their values.
func (st *Statement) Key() string {
	key, err := pg.Fingerprint(st.Text)
	if err != nil {
		key = st.Text // not of the grammar's version
	}
	return fmt.Sprint(key, " ", st.Extended)
}
