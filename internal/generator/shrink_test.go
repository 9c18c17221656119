package generator

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// shrinkLimit bounds the search for a smaller script.
const shrinkLimit = 30 * time.Second

// report shrinks a script that failed, and prints it.
func (p *pair) report(t *testing.T, seed uint64, script *Script, f *failure) {
	t.Helper()
	again := p.fails(script, nil)
	if again == nil {
		t.Errorf("script %d failed, but not when it was played again:\n%s\n%s", seed, f.text, script)
		return
	}
	small, f := p.shrink(seed, script, again)
	at := ""
	if f.step != nil {
		at = " at " + strings.Join(f.step.Lines, "\n")
	}
	t.Errorf("script %d fails: %s\nthe smallest script found that fails%s:\n%s", seed, f.text, at, small)
}

// fails plays a script on connections of its own.
func (p *pair) fails(script *Script, counts *tally) *failure {
	session, err := p.dial()
	if err != nil {
		return &failure{kind: "dial", text: err.Error()}
	}
	defer session.close()
	return session.run(script, counts)
}

// shrink makes a script smaller as long as it fails in the same way: without steps,
// then with fewer and smaller choices in each.
func (p *pair) shrink(seed uint64, script *Script, f *failure) (*Script, *failure) {
	deadline := time.Now().Add(shrinkLimit)
	better := func(choices [][]int) bool {
		if time.Now().After(deadline) {
			return false
		}
		s := build(seed, choices)
		again := p.fails(s, nil)
		if again == nil || again.kind != f.kind {
			return false
		}
		script, f = s, again
		return true
	}
	for changed := true; changed && time.Now().Before(deadline); {
		changed = false
		for size := max(1, len(script.choices)/2); size > 0; size /= 2 {
			for at := 0; at+size <= len(script.choices); {
				if better(slices.Delete(slices.Clone(script.choices), at, at+size)) {
					changed = true
				} else {
					at += size
				}
			}
		}
		for i := range script.choices {
			changed = shrinkStep(func(step []int) bool {
				choices := slices.Clone(script.choices)
				choices[i] = step
				return better(choices)
			}, func() []int { return script.choices[i] }) || changed
		}
	}
	return script, f
}

// shrinkStep makes one step's choices fewer and smaller.
func shrinkStep(better func([]int) bool, now func() []int) bool {
	changed := false
	for size := 8; size > 0; size /= 2 {
		for at := 0; at+size <= len(now()); {
			if better(slices.Delete(slices.Clone(now()), at, at+size)) {
				changed = true
				continue
			}
			zeros := slices.Clone(now())
			zero := true
			for j := at; j < at+size; j++ {
				zero = zero && zeros[j] == 0
				zeros[j] = 0
			}
			if !zero && better(zeros) {
				changed = true
			}
			at += size
		}
	}
	return changed
}
