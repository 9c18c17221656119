package scram

import (
	"bytes"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// needSeeds fails a target without a corpus.
func needSeeds(f *testing.F) {
	f.Helper()
	files, err := os.ReadDir(filepath.Join("testdata", "fuzz", f.Name()))
	if err != nil || len(files) < 3 {
		f.Fatalf("%d seeds in testdata (%v)", len(files), err)
	}
}

// checkClientError: what a client is told has a code that Postgres has for it.
func checkClientError(t *testing.T, err error) {
	t.Helper()
	var e *pgerr.Error
	switch {
	case errors.Is(err, ErrProof):
	case !errors.As(err, &e):
		t.Errorf("an error that is not for a client: %v", err)
	case e.Code != pgerr.ProtocolViolation && e.Code != pgerr.FeatureNotSupported && e.Code != pgerr.InvalidAuthorization:
		t.Errorf("code %s", e.Code)
	}
}

// FuzzServerChallenge reads any bytes as a client-first-message. What is taken
// gives a challenge that the client's side reads back.
func FuzzServerChallenge(f *testing.F) {
	needSeeds(f)
	f.Fuzz(func(t *testing.T, message []byte, plus, tls bool) {
		var binding []byte
		mechanism := Mechanism
		if tls {
			binding = []byte("hash")
			if plus {
				mechanism = MechanismPlus
			}
		}
		s := rfcExchange(t, binding, mechanism)
		challenge, err := s.Challenge(message)
		if err != nil {
			checkClientError(t, err)
			return
		}
		if tls && message[0] == 'y' || (message[0] == 'p') != (tls && plus) {
			t.Errorf("%q is taken", message)
		}
		c := &Client{nonce: s.clientNonce}
		asked, err := c.Challenge(challenge)
		if err != nil || !s.verifier.Answers(asked) {
			t.Errorf("%q: %v", challenge, err)
		}
	})
}

// FuzzServerFinish reads any bytes as a client-final-message: none but the one
// right proof is taken.
func FuzzServerFinish(f *testing.F) {
	needSeeds(f)
	f.Fuzz(func(t *testing.T, message []byte) {
		s := rfcExchange(t, nil, Mechanism)
		if _, err := s.Challenge([]byte(rfcFirst)); err != nil {
			t.Fatal(err)
		}
		conclusion, key, err := s.Finish(message)
		if err != nil {
			checkClientError(t, err)
			if key != nil || conclusion != nil {
				t.Error("an error, and a key or an answer")
			}
			return
		}
		// The same proof in base64 whose unused bits differ is the same.
		want, _, _ := strings.Cut(rfcFinish, ",p=")
		if got, _, _ := strings.Cut(string(message), ",p="); got != want || string(conclusion) != rfcConclusion {
			t.Errorf("%q is taken", message)
		}
	})
}

// FuzzClientChallenge reads any bytes as a server-first-message.
func FuzzClientChallenge(f *testing.F) {
	needSeeds(f)
	f.Fuzz(func(t *testing.T, message []byte) {
		c := &Client{mechanism: Mechanism, header: "n,,", nonce: rfcNonce}
		c.First()
		asked, err := c.Challenge(message)
		if err != nil {
			return
		}
		if len(asked.Salt) == 0 || len(asked.Salt) > maxSalt || asked.Iterations <= 0 || !bytes.HasPrefix(message, []byte("r="+rfcNonce)) {
			t.Errorf("%q is taken as %v", message, asked)
		}
		if got := c.Finish(passwordKey(t)); !bytes.HasPrefix(got, []byte("c=biws,r="+c.wholeNonce+",p=")) {
			t.Errorf("%q", got)
		}
	})
}

// FuzzClientCheck reads any bytes as a server-final-message.
func FuzzClientCheck(f *testing.F) {
	needSeeds(f)
	v := rfcVerifier(f)
	f.Fuzz(func(t *testing.T, message []byte) {
		c := &Client{first: "n=user,r=" + rfcNonce, serverFirst: rfcChallenge, withoutProof: rfcFinish[:strings.Index(rfcFinish, ",p=")]}
		if err := c.Check(message, v); err == nil && !bytes.HasPrefix(message, []byte(rfcConclusion[:len(rfcConclusion)-2])) {
			t.Errorf("%q is taken", message)
		}
	})
}

// FuzzParseVerifier reads any bytes as a verifier.
func FuzzParseVerifier(f *testing.F) {
	needSeeds(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := ParseVerifier(text)
		if (v == nil) == (err == nil) {
			t.Fatalf("a verifier: %v, error %v", v != nil, err)
		}
		if v == nil {
			return
		}
		if !IsVerifier(text) || v.iterations <= 0 || len(v.salt) == 0 || len(v.salt) > maxSalt {
			t.Errorf("%q is taken", text)
		}
		if !bytes.Contains(text, []byte(base64.StdEncoding.EncodeToString(v.salt)[:len(v.salt)/3*4])) && !bytes.ContainsAny(text, "\r\n") {
			t.Errorf("%q has another salt", text)
		}
	})
}
