package proxy

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// FuzzAuthMessages takes any bytes apart as the messages of authentication, the
// client's and the server's: no panic, errors that Postgres has, and what is put
// together again is what came.
func FuzzAuthMessages(f *testing.F) {
	if seeds, err := os.ReadDir(filepath.Join("testdata", "fuzz", f.Name())); err != nil || len(seeds) < 5 {
		f.Fatalf("%d seeds in testdata (%v)", len(seeds), err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if m, err := parseSASLInitial(body); err == nil {
			if again := appendSASLInitial(nil, m); !bytes.Equal(again, body) {
				t.Errorf("%x comes back as %x", body, again)
			}
		} else {
			checkTold(t, err)
		}
		if password, err := parsePassword(body); err == nil {
			if len(password) == 0 || !bytes.Equal(append(bytes.Clone(password), 0), body) {
				t.Errorf("%x is the password %x", body, password)
			}
		} else {
			checkTold(t, err)
		}
		if code, data, err := parseRequest(body); err == nil {
			if again := appendRequest(nil, code, data); !bytes.Equal(again[headerSize:], body) {
				t.Errorf("%x comes back as %x", body, again)
			}
		}
		if list, err := parseMechanisms(body); err == nil {
			if again := appendMechanisms(nil, list); !bytes.HasPrefix(body, again) || slices.Contains(list, "") {
				t.Errorf("%x comes back as %x", body, again)
			}
		}
		message, err := readMessage(bytes.NewReader(body), 64)
		if err == nil && (len(message) > 1+64 || !bytes.HasPrefix(body, message)) {
			t.Errorf("%x gives the message %x", body, message)
		}
	})
}

func checkTold(t *testing.T, err error) {
	t.Helper()
	var fatal *fatalError
	if !errors.As(err, &fatal) || fatal.err.Code != pgerr.ProtocolViolation && fatal.err.Code != pgerr.InvalidPassword {
		t.Errorf("the client is told %v", err)
	}
}

// TestMD5Response: what libpq answers, from the password and from what is stored
// of it (pg_md5_encrypt).
func TestMD5Response(t *testing.T) {
	hash := func(parts ...string) string {
		h := md5.New()
		for _, part := range parts {
			h.Write([]byte(part))
		}
		return hex.EncodeToString(h.Sum(nil))
	}
	stored := "md5" + hash("secret", "alice")
	want := "md5" + hash(hash("secret", "alice"), "salt")
	if got := md5Response([]byte(stored), []byte("salt")); string(got) != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := md5Response(nil, []byte("salt")); len(got) != len(want) || string(got) == want {
		t.Errorf("nothing stored: %s", got)
	}
}
