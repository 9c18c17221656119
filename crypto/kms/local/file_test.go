package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/pgseal/pgseal/crypto/kms"
)

// helper names the key file for a process of the test's own that adds keys to it.
const helper = "PGSEAL_TEST_KEY_FILE"

// TestKeysOfManyProcesses: no key is lost that was added, and a reader never sees
// half of the file.
func TestKeysOfManyProcesses(t *testing.T) {
	const each = 8
	add := func(path, who string) error {
		for i := range each {
			if _, err := AddKey(path, fmt.Sprintf("%s-%d", who, i), ""); err != nil {
				return err
			}
		}
		return nil
	}
	if path := os.Getenv(helper); path != "" {
		must(t, add(path, fmt.Sprint(os.Getpid())))
		return
	}
	path := keyfile(t, "first")
	p, err := New(path)
	must(t, err)
	var adding, reading sync.WaitGroup
	done := make(chan struct{})
	reading.Go(func() {
		for {
			if _, err := p.Check(t.Context(), kms.Key{ARN: "local:first"}); err != nil {
				t.Error(err)
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	for i := range 4 {
		adding.Go(func() {
			if err := add(path, fmt.Sprintf("goroutine %d", i)); err != nil {
				t.Error(err)
			}
		})
	}
	for range 2 {
		adding.Go(func() {
			cmd := exec.Command(os.Args[0], "-test.run=^TestKeysOfManyProcesses$")
			cmd.Env = append(os.Environ(), helper+"="+path)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	adding.Wait()
	close(done)
	reading.Wait()
	f, err := readFile(path)
	must(t, err)
	if got, want := len(f.Keys), 1+6*each; got != want {
		t.Errorf("%d keys, want %d", got, want)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".pgseal-keys-*")); err != nil || len(left) > 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

// TestFailedChangeLeavesTheFile: what could not be written is as it was.
func TestFailedChangeLeavesTheFile(t *testing.T) {
	path := keyfile(t, "acme")
	before, err := os.ReadFile(path)
	must(t, err)
	if _, err := AddKey(path, "acme", ""); !errors.Is(err, fs.ErrExist) {
		t.Error(err)
	}
	if err := SetEnabled(path, "hooli", false); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := AddKey(filepath.Join(path, "below", "keys.json"), "acme", ""); err == nil || !strings.Contains(err.Error(), "key file") {
		t.Error(err)
	}
	after, err := os.ReadFile(path)
	must(t, err)
	if string(after) != string(before) {
		t.Error("the file was changed")
	}
}
