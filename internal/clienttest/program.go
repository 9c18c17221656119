package clienttest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Program plays a client's features against a database, and gives what it printed.
type Program func(t *testing.T, dsn string) string

// Limit ends a program that hangs.
const Limit = 3 * time.Minute

// Run runs a program, in a folder, that gets the DSN as its last argument.
func Run(folder, name string, args ...string) Program {
	return func(t *testing.T, dsn string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), Limit)
		defer cancel()
		cmd := exec.CommandContext(ctx, name, append(args, dsn)...)
		cmd.Dir = folder
		cmd.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=C.UTF-8", "PGSSLROOTCERT=", "PYTHONDONTWRITEBYTECODE=1", "PYTHONHASHSEED=0")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s%s", filepath.Base(name), err, out, stderrOf(err))
		}
		return string(out)
	}
}

func stderrOf(err error) []byte {
	if exit, ok := err.(*exec.ExitError); ok {
		return exit.Stderr
	}
	return nil
}

// Python finds a Python that has modules of Debian's packages, or skips the test
// with the command that installs them.
func Python(t *testing.T, modules ...string) string {
	t.Helper()
	for _, name := range []string{"python3", "/usr/bin/python3"} { // the first one on PATH may not be Debian's
		path, err := exec.LookPath(name)
		if err == nil && exec.Command(path, "-c", "import "+strings.Join(modules, ", ")).Run() == nil {
			return path
		}
	}
	list := strings.Join(modules, ", ")
	t.Skipf("no Python here has %s: apt-get install python3-%s", list, strings.Join(modules, " python3-"))
	return ""
}

// NodeFolder is a copy of a folder with the packages of npm's that its lock file
// names, or skips the test.
func NodeFolder(t *testing.T, folder string) string {
	t.Helper()
	for _, name := range []string{"node", "npm"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not on this machine: apt-get install nodejs npm", name)
		}
	}
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error")
	cmd.Dir = copied
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("npm cannot install the packages of %s (npm ci): %v\n%s", folder, err, out)
	}
	return copied
}

// jdbcDriver is where Debian puts it.
const jdbcDriver = "/usr/share/java/postgresql.jar"

// Java compiles a program for Postgres's JDBC driver, of Debian's packages, or
// skips the test. The class is named as the source file.
func Java(t *testing.T, source string) Program {
	t.Helper()
	if _, err := os.Stat(jdbcDriver); err != nil {
		t.Skipf("%s is not on this machine: apt-get install libpostgresql-jdbc-java", jdbcDriver)
	}
	for _, name := range []string{"javac", "java"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not on this machine: apt-get install default-jdk-headless", name)
		}
	}
	classes := t.TempDir()
	out, err := exec.CommandContext(t.Context(), "javac", "-encoding", "UTF-8", "-cp", jdbcDriver, "-d", classes, source).CombinedOutput()
	if err != nil {
		t.Fatalf("javac: %v\n%s", err, out)
	}
	class := strings.TrimSuffix(filepath.Base(source), ".java")
	return Run("", "java", "-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8", "-cp", jdbcDriver+string(os.PathListSeparator)+classes, class)
}

// ModuleVersion is the version of a module of go.mod.
func ModuleVersion(t *testing.T, path string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Version}}", path).Output()
	if err != nil {
		t.Fatalf("find %s: %v", path, err)
	}
	return strings.TrimPrefix(strings.TrimSpace(string(out)), "v")
}
