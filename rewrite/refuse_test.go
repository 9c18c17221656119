package rewrite

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// refusals are those of a plan: its own, or its statements'.
func refusals(p *Plan) []*pgerr.Error {
	var all []*pgerr.Error
	if p.Refusal != nil {
		all = append(all, p.Refusal)
	}
	for i := range p.Statements {
		if e := p.Statements[i].Refusal; e != nil {
			all = append(all, e)
		}
	}
	return all
}

func sections(t *testing.T) map[string]bool {
	t.Helper()
	doc, err := os.ReadFile("../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(string(doc), -1) {
		found[strings.ReplaceAll(strings.ToLower(m[1]), " ", "-")] = true
	}
	return found
}

// TestRefusals holds every refusal of the corpus to what a client is promised.
func TestRefusals(t *testing.T) {
	documented, r := sections(t), New(fixture(), Limits{})
	seen := map[string]bool{}
	for _, g := range corpus(t) {
		for _, e := range refusals(g.plan(r)) {
			where := g.file + ": " + g.text + ": " + e.Message
			seen[e.Anchor] = true
			switch {
			case e.Position < 0 || e.Position > utf8.RuneCountInString(g.text)+1:
				t.Errorf("%s: position %d", where, e.Position)
			case e.Message == "" || len(e.Code) != 5:
				t.Errorf("%s: no message or code", where)
			case e.Code == pgerr.FeatureNotSupported && e.Hint == "" && e.Anchor != string(viewComputes):
				t.Errorf("%s: no hint", where)
			case e.Anchor == "" && e.Code != pgerr.SyntaxError && e.Code != "42804" && e.Code != "42703" && e.Code != "42846" && e.Code != "42P02":
				t.Errorf("%s: no anchor", where)
			case e.Anchor != "" && !documented[e.Anchor]:
				t.Errorf("%s: docs/errors.md has no section %s", where, e.Anchor)
			case e.Anchor == string(internalError):
				t.Errorf("%s: a panic", where)
			}
		}
	}
	source, err := os.ReadFile("refuse.go")
	if err != nil {
		t.Fatal(err)
	}
	declared := regexp.MustCompile(`anchor = "([^"]+)"`).FindAllStringSubmatch(string(source), -1)
	if len(declared) < 20 {
		t.Errorf("only %d anchors found in refuse.go", len(declared))
	}
	for _, m := range declared {
		if !documented[m[1]] {
			t.Errorf("docs/errors.md has no section %s", m[1])
		}
		// The rest have tests of their own.
		if !seen[m[1]] && m[1] != string(tooDeep) && m[1] != string(internalError) {
			t.Errorf("no case of the corpus is refused with %s", m[1])
		}
	}
}

// A refusal quotes no value: not that of a literal, wherever it stands.
func TestRefusalsQuoteNoValues(t *testing.T) {
	r := New(fixture(), Limits{})
	const canary = "c4n4ry"
	for _, g := range corpus(t) {
		text := strings.NewReplacer("'x'", "'"+canary+"'", "'{}'", "'"+canary+"'").Replace(g.text)
		g.text = text
		for _, e := range refusals(g.plan(r)) {
			if e.Echoes || !strings.Contains(text, canary) {
				continue
			}
			if strings.Contains(e.Message+e.Detail+e.Hint, canary) {
				t.Errorf("%s: %s %s %s", text, e.Message, e.Detail, e.Hint)
			}
		}
	}
}
