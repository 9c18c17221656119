package kmstest

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/pgseal/pgseal/internal/secret"
)

// mark is in every data key that the tests hand to Encrypt, so that it is found
// wherever it leaks to.
const mark = "pgseal-mark-0123456789abcdefghij" // 32 bytes

func marked() secret.Bytes { return secret.Bytes(mark) }

// showsNoSecret fails the test when an error's text has the marked data key in it,
// in any of the ways in which bytes are printed, or one of the subject's secrets.
func (s *Subject) showsNoSecret(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	text := fmt.Sprintf("%v %+v %#v", err, err, err)
	forms := append([]string{
		mark[:12], hex.EncodeToString([]byte(mark))[:24], strings.Trim(fmt.Sprint([]byte(mark))[:30], "[]"),
		base64.StdEncoding.EncodeToString([]byte(mark))[:16],
	}, s.Secrets...)
	for _, form := range forms {
		if form != "" && strings.Contains(text, form) {
			t.Errorf("the error shows a secret: %v", err)
		}
	}
}

// hides fails the test when a wrapped key has the data key in it.
func hides(t *testing.T, wrapped []byte, plaintext secret.Bytes) {
	t.Helper()
	for _, form := range [][]byte{plaintext, []byte(hex.EncodeToString(plaintext)), []byte(base64.StdEncoding.EncodeToString(plaintext))} {
		if bytes.Contains(wrapped, form) {
			t.Error("the wrapped key shows the data key")
		}
	}
}

func oneWord(s string) bool { return s != "" && !strings.ContainsAny(s, " \t\n") }
