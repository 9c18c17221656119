package generator

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// tally counts what comes of steps. A nil tally counts nothing.
type tally struct {
	mu                        sync.Mutex
	steps, rows, errors       int
	kinds                     map[string]int
	codes                     map[string]int
	deserved, needless, other map[string]int // refusals by anchor
	examples                  map[string][]string
	odd                       map[string]string // refusals without a place or a name: an example each
}

func newTally() *tally {
	return &tally{
		kinds: map[string]int{}, codes: map[string]int{}, deserved: map[string]int{}, needless: map[string]int{}, other: map[string]int{},
		examples: map[string][]string{}, odd: map[string]string{},
	}
}

func (t *tally) equal(step *Step, got *answer) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.steps++
	t.kinds[step.Kind]++
	if got.code != "" {
		t.errors++
		code := got.code
		if step.Faults > 0 {
			code += "*" // as was to be expected
		}
		t.codes[code]++
		if t.codes[code] <= 4 {
			t.examples[code] = append(t.examples[code], strings.Join(step.Lines, "\n")+"\n"+strings.Join(got.lines, "\n"))
		}
		return
	}
	t.rows++
}

func (t *tally) refused(step *Step, got *answer, accepted bool) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.steps++
	t.kinds[step.Kind]++
	by := t.other
	switch {
	case step.Deserved:
		by = t.deserved
	case accepted:
		by = t.needless
		if by[got.anchor]++; by[got.anchor] <= 12 {
			t.examples["needless "+got.anchor] = append(t.examples["needless "+got.anchor], strings.Join(step.Lines, "\n")+"\n"+got.refusal.Message)
		}
		by[got.anchor]--
	}
	by[got.anchor]++
	if problem := oddRefusal(step, got); problem != "" {
		t.odd[got.anchor+": "+problem] = strings.Join(step.Lines, "\n") + "\n" + fmt.Sprintf("%s %q %d", got.refusal.Code, got.refusal.Message, got.refusal.Position)
	}
}

// oddRefusal tells what a refusal lacks: it names table and column where one is
// concerned, and points into the text.
func oddRefusal(step *Step, got *answer) string {
	e := got.refusal
	if strings.Contains(e.Message, "sealed column ") && (e.TableName == "" || e.ColumnName == "") {
		return "no table or column in its fields"
	}
	if e.Position == 0 {
		return "no position"
	}
	return ""
}

// refusals counts them all.
func (t *tally) refusals() (n int) {
	for _, m := range []map[string]int{t.deserved, t.needless, t.other} {
		for _, each := range m {
			n += each
		}
	}
	return n
}

func (t *tally) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d steps: %d equal, %d equal errors, %d refused\n", t.steps, t.rows, t.errors, t.refusals())
	for _, each := range []struct {
		what string
		m    map[string]int
	}{{"kinds", t.kinds}, {"errors", t.codes}, {"deserved refusals", t.deserved}, {"refusals of what Postgres refuses too, or that was not tried", t.other}, {"needless refusals", t.needless}} {
		fmt.Fprintf(&b, "%s:", each.what)
		for _, k := range slices.Sorted(maps.Keys(each.m)) {
			fmt.Fprintf(&b, " %s %d", k, each.m[k])
		}
		b.WriteString("\n")
	}
	needless := 0
	for _, n := range t.needless {
		needless += n
	}
	if all := needless + t.rows; all > 0 {
		fmt.Fprintf(&b, "needless: %d of %d that Postgres accepts and that search and compute on no sealed column (%.2f%%)\n", needless, all, 100*float64(needless)/float64(all))
	}
	return b.String()
}
