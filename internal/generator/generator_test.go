package generator

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgseal/pgseal/internal/wirescript"
)

// TestScriptsAreDeterministic: a number always gives the same script, its choices give
// it again, its text can be read, and all kinds of statements are in it.
func TestScriptsAreDeterministic(t *testing.T) {
	kinds := map[string]int{}
	for seed := range uint64(200) {
		script := Generate(seed)
		if diff := cmp.Diff(script.String(), Generate(seed).String()); diff != "" {
			t.Fatalf("script %d differs from itself:\n%s", seed, diff)
		}
		if diff := cmp.Diff(script.String(), build(seed, script.choices).String()); diff != "" {
			t.Fatalf("script %d is another one when it is made of its choices:\n%s", seed, diff)
		}
		read, err := Read(script.String())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(script.String(), read.String()); diff != "" {
			t.Fatalf("script %d is read as another:\n%s", seed, diff)
		}
		for _, step := range script.Steps {
			kinds[step.Kind]++
			for _, line := range append(step.Lines, step.Oracle...) {
				if _, err := wirescript.Parse(line); err != nil {
					t.Fatalf("script %d: %v", seed, err)
				}
			}
		}
	}
	for _, kind := range []string{"select", "insert", "update", "delete", "copy", "explain", "several", "setting", "transaction", "faulty"} {
		if kinds[kind] < 10 {
			t.Errorf("%d statements of the kind %s in 200 scripts", kinds[kind], kind)
		}
	}
}

// TestZeroIsSimplest: choices that are all zero make a script of the simplest steps, and
// fewer choices than are needed are completed by zeros.
func TestZeroIsSimplest(t *testing.T) {
	script := build(1, [][]int{nil, {0, 0}})
	for _, step := range script.Steps {
		if step.Deserved || step.Faults > 0 || len(step.Lines) != 1 {
			t.Errorf("not simple: %s", script)
		}
	}
}
