package oracle_test

import (
	"fmt"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// difference is an entry of differences.txt.
type difference struct {
	line             int      // in the file
	scripts          []string // globs of names
	postgres, pgseal []*regexp.Regexp
	from, until      int // major versions; 0: no bound
	why              string
}

// readDifferences reads differences.txt, which says in its head what an entry is.
func readDifferences(t *testing.T) (list []*difference) {
	t.Helper()
	raw, err := os.ReadFile("differences.txt")
	if err != nil {
		t.Fatal(err)
	}
	d := &difference{}
	for n, line := range strings.Split(string(raw)+"\n\n", "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		if line == "" {
			if d.line == 0 {
				continue
			}
			if d.why == "" || len(d.scripts) == 0 || len(d.postgres)+len(d.pgseal) == 0 {
				t.Fatalf("differences.txt:%d: an entry has scripts, what either side says, and why", d.line)
			}
			list, d = append(list, d), &difference{}
			continue
		}
		if d.line == 0 {
			d.line = n + 1
		}
		if err := d.add(line); err != nil {
			t.Fatalf("differences.txt:%d: %v", n+1, err)
		}
	}
	return list
}

func (d *difference) add(line string) (err error) {
	key, value, _ := strings.Cut(line, ": ")
	var pattern *regexp.Regexp
	switch key {
	case "scripts":
		d.scripts = append(d.scripts, strings.Fields(value)...)
		for _, glob := range d.scripts {
			if _, err := path.Match(glob, ""); err != nil {
				return err
			}
		}
	case "postgres":
		pattern, err = regexp.Compile("(?s)^(?:" + value + ")$")
		d.postgres = append(d.postgres, pattern)
	case "pgseal":
		pattern, err = regexp.Compile("(?s)^(?:" + value + ")$")
		d.pgseal = append(d.pgseal, pattern)
	case "from":
		d.from, err = strconv.Atoi(value)
	case "until":
		d.until, err = strconv.Atoi(value)
	case "why":
		d.why = value
	default:
		err = fmt.Errorf("no key %q", key)
	}
	return err
}

// of tells whether the difference is expected in a script on a version.
func (d *difference) of(script string, major int) bool {
	if d.from > 0 && major < d.from || d.until > 0 && major > d.until {
		return false
	}
	for _, glob := range d.scripts {
		if ok, _ := path.Match(glob, script); ok {
			return true
		}
	}
	return false
}

// covers tells whether all lines that differ are as the difference says.
func (d *difference) covers(want, got []string) bool {
	return allMatch(want, d.postgres) && allMatch(got, d.pgseal)
}

func allMatch(lines []string, patterns []*regexp.Regexp) bool {
	for _, line := range lines {
		matched := false
		for _, p := range patterns {
			matched = matched || p.MatchString(line)
		}
		if !matched {
			return false
		}
	}
	return true
}

// segments cuts a transcript behind each ReadyForQuery.
func segments(lines []string) (list [][]string) {
	start := 0
	for i, line := range lines {
		if strings.HasPrefix(line, "Z ") || i == len(lines)-1 {
			list = append(list, lines[start:i+1])
			start = i + 1
		}
	}
	return list
}

// explain compares two transcripts segment by segment. Each difference must be one that
// is known; the others are described.
func explain(known []*difference, want, got [][]string) (met map[*difference]bool, unknown []string) {
	met = map[*difference]bool{}
	for i := range max(len(want), len(got)) {
		var w, g []string
		if i < len(want) {
			w = want[i]
		}
		if i < len(got) {
			g = got[i]
		}
		onlyWant, onlyGot := unequal(w, g)
		if len(onlyWant)+len(onlyGot) == 0 {
			continue
		}
		explained := false
		for _, d := range known {
			if d.covers(onlyWant, onlyGot) {
				explained, met[d] = true, true
				break
			}
		}
		if !explained {
			unknown = append(unknown, fmt.Sprintf("segment %d:\n\t- %s\n\t+ %s", i,
				cut(strings.Join(onlyWant, "\n\t- "), 1500), cut(strings.Join(onlyGot, "\n\t+ "), 1500)))
		}
	}
	return met, unknown
}

// unequal gives the lines that two segments do not have in common: what is not in their
// longest common subsequence.
func unequal(a, b []string) (onlyA, onlyB []string) {
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	common := make([][]int, len(a)+1) // of a[i:] and b[j:]
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		switch {
		case a[i] == b[j]:
			i, j = i+1, j+1
		case common[i+1][j] >= common[i][j+1]:
			onlyA = append(onlyA, a[i])
			i++
		default:
			onlyB = append(onlyB, b[j])
			j++
		}
	}
	return append(onlyA, a[i:]...), append(onlyB, b[j:]...)
}

func TestUnequal(t *testing.T) {
	for _, test := range []struct{ a, b, onlyA, onlyB string }{
		{"x y z", "x y z", "", ""},
		{"x y z", "x z", "y", ""},
		{"x z", "x y z", "", "y"},
		{"x a z", "x b z", "a", "b"},
		{"a b c d", "b d e", "a c", "e"},
		{"", "x", "", "x"},
		{"x", "", "x", ""},
	} {
		onlyA, onlyB := unequal(strings.Fields(test.a), strings.Fields(test.b))
		if strings.Join(onlyA, " ") != test.onlyA || strings.Join(onlyB, " ") != test.onlyB {
			t.Errorf("%q and %q: %q and %q", test.a, test.b, onlyA, onlyB)
		}
	}
}
