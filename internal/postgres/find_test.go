package postgres

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

func TestParseVersion(t *testing.T) {
	for text, want := range map[string]int{
		"postgres (PostgreSQL) 15.12 (Debian 15.12-0+deb12u2)\n": 15,
		"postgres (PostgreSQL) 18beta1\n":                        18,
		"postgres (PostgreSQL) 17":                               17,
		"postgres (PostgreSQL) 9.6.24\n":                         9,
	} {
		if got, err := parseVersion([]byte(text)); err != nil || got != want {
			t.Errorf("%q: %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "postgres", "postgres (PostgreSQL) ", "postgres (PostgreSQL) x"} {
		if got, err := parseVersion([]byte(text)); err == nil {
			t.Errorf("%q: %d, want an error", text, got)
		}
	}
}

// install writes programs that answer --version as a PostgreSQL would.
func install(t *testing.T, dir, version string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"postgres", "initdb"} {
		script := "#!/bin/sh\necho '" + name + " (PostgreSQL) " + version + "'\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFind(t *testing.T) {
	ctx, top := context.Background(), t.TempDir()
	old := install(t, filepath.Join(top, "v/9/bin"), "9.6.24")
	fifteen := install(t, filepath.Join(top, "v/15/bin"), "15.12")
	seventeen := install(t, filepath.Join(top, "v/17/bin"), "17.5")
	usual := []string{filepath.Join(top, "v/*/bin")}

	// Only links on PATH, as some packagers do, and no initdb beside the real one.
	links, half := filepath.Join(top, "links"), install(t, filepath.Join(top, "half"), "17.5")
	if err := os.Mkdir(links, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(fifteen, "postgres"), filepath.Join(links, "postgres")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(half, "initdb")); err != nil {
		t.Fatal(err)
	}
	list := string(os.PathListSeparator)
	for _, c := range []struct{ name, path, want string }{
		{"nothing on PATH: the newest of the usual", "", seventeen},
		{"too old on PATH", old, seventeen},
		{"half of it on PATH", half, seventeen},
		{"on PATH, by links", half + list + links, fifteen},
	} {
		if got := find(ctx, anyMajor, c.path, usual); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	for major, want := range map[int]string{15: fifteen, 17: seventeen, 16: "", 9: ""} {
		if got := find(ctx, major, half, usual); got != want {
			t.Errorf("version %d: %q, want %q", major, got, want)
		}
	}
	if got := find(ctx, anyMajor, old, nil); got != "" {
		t.Errorf("found %q where there is none", got)
	}
}
