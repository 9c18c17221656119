package clients_test

import (
	"strings"
	"testing"
)

// transcript is what a program printed.
type transcript struct {
	version  string
	features []string            // in the order of playing
	lines    map[string][]string // of a feature
}

// readTranscript takes a program's output apart. A line without a tab belongs to
// the line before it: values may have line ends.
func readTranscript(t *testing.T, out string) transcript {
	t.Helper()
	known := map[string]bool{}
	for _, f := range features {
		known[f.name] = true
	}
	tr := transcript{lines: map[string][]string{}}
	var current string
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\n")
		feature, text, ok := strings.Cut(line, "\t")
		switch {
		case ok && feature == "version":
			tr.version = text
			continue
		case ok && known[feature] && feature != current:
			current = feature
			tr.features = append(tr.features, feature)
		case ok && known[feature]:
		case current == "":
			t.Fatalf("the program printed a line of no feature: %q", line)
		default:
			text = line
		}
		tr.lines[current] = append(tr.lines[current], text)
	}
	return tr
}
