package proxy

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestAnchorsAreDocumented: each error that links to docs/errors.md finds its
// section there.
func TestAnchorsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]bool{}
	for _, line := range strings.Split(string(page), "\n") {
		if title, ok := strings.CutPrefix(line, "### "); ok {
			sections[strings.ToLower(title)] = true
		}
	}
	anchor := regexp.MustCompile(`Anchor:\s+"([a-z0-9-]+)"`)
	found := 0
	for _, root := range []string{".", "../crypto", "../internal/pgtypes", "../internal/copyformat", "../rewrite"} {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			source, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, m := range anchor.FindAllStringSubmatch(string(source), -1) {
				found++
				if !sections[m[1]] {
					t.Errorf("%s: docs/errors.md has no section %q", path, m[1])
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if found < 10 {
		t.Errorf("%d anchors found: the search does not work", found)
	}
}
