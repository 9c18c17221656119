package generator

import (
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
)

var positionAtEnd = regexp.MustCompile(` \d+$`)

// ownType finds OIDs of types that the database itself has made: of tables' rows.
var ownType = regexp.MustCompile(`(:\d+),[1-9]\d{4,},`)

// comparable leaves out of an answer what may differ.
func comparable(step *Step, lines []string) []string {
	var out []string
	rows := 0 // the number of the last lines that are rows
	for _, line := range lines {
		isRow := strings.HasPrefix(line, "D ") || line == "D" || strings.HasPrefix(line, "d ")
		switch {
		case isRow && step.Opaque:
			continue
		case isRow:
			rows++
		case strings.HasPrefix(line, "E ") && step.Unordered:
			out = out[:len(out)-rows]
			rows = 0
		default:
			if step.Unordered {
				slices.Sort(out[len(out)-rows:])
			}
			rows = 0
		}
		if strings.HasPrefix(line, "E ") && step.Oracle != nil {
			line = positionAtEnd.ReplaceAllString(line, "")
		}
		if strings.HasPrefix(line, "T ") {
			line = ownType.ReplaceAllString(line, "$1,user,")
		}
		if strings.HasPrefix(line, "C EXPLAIN") || step.Opaque && strings.HasPrefix(line, "C ") {
			line = "C"
		}
		out = append(out, line)
	}
	return out
}

// lateKinds are those of utility statements, which Postgres looks into when they run:
// pgseal tells of a fault when they are parsed.
var lateKinds = map[string]bool{"prepare": true, "execute": true, "cursor": true, "explain": true, "copy": true, "temporary": true}

// difference tells how two answers to a step differ; "" when they are equal.
func difference(step *Step, want, got *answer) string {
	w, g := comparable(step, want.lines), comparable(step, got.lines)
	if step.Faults > 1 && want.code != "" && got.code != "" {
		return ""
	}
	if at := len(g) - 2; lateKinds[step.Kind] && want.code != "" && at >= 0 && at < len(w)-2 {
		w = append(w[:at:at], w[len(w)-2:]...)
	}
	return cmp.Diff(w, g)
}
