package clienttest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgseal/pgseal/internal/pgtest"
)

// Tool finds a program of Postgres's own.
func Tool(t *testing.T, name, debian string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	path := filepath.Join(pgtest.Server(t).BinDir(), name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("%s is not on this machine: apt-get install %s", name, debian)
	}
	return path
}

// ToolOutput runs a tool, and gives all that it printed.
func ToolOutput(t *testing.T, path, input string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TZ=UTC", "PSQLRC=/dev/null", "HOME=/nonexistent")
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// ToolVersion is the version that a tool says it has.
func ToolVersion(t *testing.T, path string) string {
	t.Helper()
	out, err := ToolOutput(t, path, "", "--version")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(out)[2]
}

// FeatureLines puts the feature in front of every line of an output. Where
// nothing may fail, an error is a failure.
func FeatureLines(out *strings.Builder, feature, text string, mayFail bool) {
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if !mayFail && strings.Contains(line, "ERROR:") {
			line = "FAILED: " + line
		}
		if len(line) > 1000 {
			line = fmt.Sprintf("%d bytes", len(line))
		}
		out.WriteString(feature + "\t" + line + "\n")
	}
}
