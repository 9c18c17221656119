package postgres

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Major versions that pgseal is tried with.
const (
	oldest = 14
	newest = 18
)

// Majors are the major versions that pgseal is tried with.
func Majors() []int {
	var list []int
	for major := oldest; major <= newest; major++ {
		list = append(list, major)
	}
	return list
}

// usualFolders are where packagers put the binaries when not on PATH. Of one
// pattern's folders the newest version is taken.
var usualFolders = []string{
	"/usr/lib/postgresql/*/bin",                          // Debian, Ubuntu
	"/usr/pgsql-*/bin",                                   // PGDG on Red Hat
	"/opt/homebrew/opt/postgresql*/bin",                  // Homebrew, Apple silicon
	"/usr/local/opt/postgresql*/bin",                     // Homebrew, Intel
	"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",     // Homebrew, Linux
	"/Applications/Postgres.app/Contents/Versions/*/bin", // Postgres.app
	"/usr/libexec/postgresql*", "/usr/local/pgsql/bin",   // Alpine; PostgreSQL's own default
}

// Binaries gives the folder of initdb and postgres: those on PATH, else those
// that a packager installed, else fetched ones, kept in the user's cache folder.
func Binaries(ctx context.Context) (string, error) {
	if bin := find(ctx, anyMajor, os.Getenv("PATH"), usualFolders); bin != "" {
		return bin, nil
	}
	bin, err := fetch(ctx, fetchedMajor)
	if err != nil {
		return "", fmt.Errorf("postgres: PostgreSQL %d or later is neither installed nor to be fetched; %s: %w", oldest, installHint(), err)
	}
	return bin, nil
}

// BinariesOf is Binaries of one major version.
func BinariesOf(ctx context.Context, major int) (string, error) {
	if bin := find(ctx, major, os.Getenv("PATH"), usualFolders); bin != "" {
		return bin, nil
	}
	bin, err := fetch(ctx, major)
	if err != nil {
		return "", fmt.Errorf("postgres: PostgreSQL %d is neither installed nor to be fetched: %w", major, err)
	}
	return bin, nil
}

// anyMajor stands for any major version that will do.
const anyMajor = 0

// find gives the first folder with a usable pair of binaries, or "".
func find(ctx context.Context, major int, path string, usual []string) string {
	candidates := filepath.SplitList(path)
	for _, pattern := range usual {
		found, _ := filepath.Glob(pattern)
		fixed, _, _ := strings.Cut(pattern, "*")
		slices.SortStableFunc(found, func(a, b string) int {
			return cmp.Compare(folderVersion(b, fixed), folderVersion(a, fixed))
		})
		candidates = append(candidates, found...)
	}
	for _, dir := range candidates {
		if bin := usable(ctx, major, dir); bin != "" {
			return bin
		}
	}
	return ""
}

// usable follows dir's postgres to where it really is (on PATH there may be
// links only), and gives that folder if initdb is there too and the version will do.
func usable(ctx context.Context, major int, dir string) string {
	if dir == "" {
		return ""
	}
	postgres, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres"))
	if err != nil {
		return ""
	}
	bin := filepath.Dir(postgres)
	if _, err := os.Stat(filepath.Join(bin, "initdb")); err != nil {
		return ""
	}
	out, err := exec.CommandContext(ctx, postgres, "--version").Output()
	if err != nil {
		return ""
	}
	got, err := parseVersion(out)
	if err != nil || got < oldest || major != anyMajor && got != major {
		return ""
	}
	return bin
}

// parseVersion gives the major version of "postgres (PostgreSQL) 15.12 (Debian …)".
func parseVersion(out []byte) (int, error) {
	_, rest, ok := bytes.Cut(out, []byte("(PostgreSQL) "))
	if !ok {
		return 0, errors.New("postgres: --version does not name PostgreSQL")
	}
	n := bytes.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if n < 0 {
		n = len(rest)
	}
	return strconv.Atoi(string(rest[:n]))
}

// folderVersion is the first number in the folder's path after the pattern's
// fixed part, 0 if there is none.
func folderVersion(dir, fixed string) int {
	dir = strings.TrimPrefix(dir, fixed)
	start := strings.IndexAny(dir, "0123456789")
	if start < 0 {
		return 0
	}
	end := start
	for end < len(dir) && dir[end] >= '0' && dir[end] <= '9' {
		end++
	}
	n, _ := strconv.Atoi(dir[start:end])
	return n
}
