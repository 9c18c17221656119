package clienttest

import (
	"strings"
	"testing"
)

// Transcript is what a program printed.
type Transcript struct {
	Version  string
	Features []string            // in the order of playing
	Lines    map[string][]string // of a feature
}

// ReadTranscript takes a program's output apart. A line without the name of a known
// feature and a tab belongs to the line before it: values may have line ends.
func ReadTranscript(t *testing.T, out string, features []Feature) Transcript {
	t.Helper()
	known := map[string]bool{}
	for _, f := range features {
		known[f.Name] = true
	}
	tr := Transcript{Lines: map[string][]string{}}
	var current string
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\n")
		feature, text, ok := strings.Cut(line, "\t")
		switch {
		case ok && feature == "version":
			tr.Version = text
			continue
		case ok && known[feature] && feature != current:
			current = feature
			tr.Features = append(tr.Features, feature)
		case ok && known[feature]:
		case current == "":
			t.Fatalf("the program printed a line of no feature: %q", line)
		default:
			text = line
		}
		tr.Lines[current] = append(tr.Lines[current], text)
	}
	return tr
}
