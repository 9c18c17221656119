package orms_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgseal/pgseal/internal/sqlcorpus"
	"github.com/pgseal/pgseal/rewrite"
)

// refusals are statements that mappers can send, that search nothing, and that are
// refused all the same. docs/orms.md lists them; a test shows that they still are.
var refusals = []struct {
	who, what, instead string
	text               string // with the tables of the programs
	extended           bool
}{
	{
		"Sequelize's `findOrCreate`", "a function whose body is the INSERT, with its values",
		"use `findCreateFind`",
		`CREATE OR REPLACE FUNCTION pg_temp.testfunc(OUT response "notes") RETURNS RECORD AS $f$ BEGIN INSERT INTO "notes" ("org","author_id","slug","body") VALUES ('acme',1,'a','b') RETURNING * INTO response; END $f$ LANGUAGE plpgsql`, false,
	},
}

func TestRefusals(t *testing.T) {
	var corpora []*sqlcorpus.Corpus
	for _, name := range []string{"system", "psql"} {
		text, err := os.ReadFile(filepath.Join(corpusFolder, name+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		c, err := sqlcorpus.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		corpora = append(corpora, c)
	}
	r := rewrite.New(sqlcorpus.Snapshot(corpora...), rewrite.Limits{})
	for _, known := range refusals {
		p := r.Plan(known.text, environment(known.extended))
		if refusalOf(p) == nil {
			t.Errorf("it is not refused any more: %s", known.text)
		}
	}
}

// listRefusals is refusals as a table.
func listRefusals() string {
	var b strings.Builder
	b.WriteString("\n## What is refused though it searches nothing\n\n| who sends it | what | instead |\n|---|---|---|\n")
	for _, r := range refusals {
		b.WriteString("| " + r.who + " | " + r.what + " | " + r.instead + " |\n")
	}
	return b.String()
}
