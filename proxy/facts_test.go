package proxy_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestFactsAreShown: each fact of testdata/facts.txt has a wire script or a Go test,
// by its number, and each script or test with a number is of such a fact.
func TestFactsAreShown(t *testing.T) {
	list, err := os.ReadFile("testdata/facts.txt")
	if err != nil {
		t.Fatal(err)
	}
	facts := map[int]string{}
	for line := range strings.Lines(string(list)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		number, title, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.Atoi(number)
		if err != nil || title == "" || facts[n] != "" {
			t.Fatalf("facts.txt: %q", line)
		}
		facts[n] = title
	}
	if len(facts) != 47 {
		t.Fatalf("%d facts, want 47", len(facts))
	}
	shown := map[int]int{}
	scripts, err := filepath.Glob("testdata/wire/[0-9][0-9]-*.wire")
	if err != nil {
		t.Fatal(err)
	}
	for _, script := range scripts {
		n, _ := strconv.Atoi(filepath.Base(script)[:2])
		shown[n]++
	}
	test := regexp.MustCompile(`(?m)^func TestFact(\d\d)[A-Z]\w*\(t \*testing\.T\)`)
	for _, folder := range []string{".", "../internal", "../cmd"} {
		err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			source, err := os.ReadFile(path)
			if err != nil {
				return fmt.Errorf("read a test: %w", err)
			}
			for _, name := range test.FindAllSubmatch(source, -1) {
				n, _ := strconv.Atoi(string(name[1]))
				shown[n]++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for n, title := range facts {
		if shown[n] == 0 {
			t.Errorf("fact %d, %s, is shown by no wire script and no test TestFact%02d…", n, title, n)
		}
	}
	for n := range shown {
		if facts[n] == "" {
			t.Errorf("there is no fact %d", n)
		}
	}
}
