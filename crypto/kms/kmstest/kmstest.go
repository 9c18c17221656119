// Package kmstest is what every kms.Provider must pass: the promises of package
// kms that the keyring relies on, written once.
//
// A provider's test hands over a real KMS with two keys, and what its owner can
// do to them. Nothing stands in for the KMS here.
//
// Files: kmstest.go has what a provider's test hands over, and the order of the
// tests; wraps.go those of wrapping and unwrapping, withdrawal.go those of keys
// that are withdrawn, silence.go those of a KMS that does not answer, secrets.go
// what holds the errors to showing no secret.
package kmstest

import (
	"context"
	"errors"
	"testing"

	"github.com/pgseal/pgseal/crypto/kms"
)

// Subject is a provider, its KMS and what can be done to its keys. Functions that
// are nil are what this KMS has no way of.
type Subject struct {
	Provider   kms.Provider
	Key, Other kms.Key   // two keys that work
	Missing    kms.Key   // well named, but not there
	BadNames   []string  // names of no key of this provider
	State      string    // what Check calls a key that works
	Secrets    []string  // that no error may show: tokens, passwords
	Switches   []Switch  // ways to withdraw Key and to give it back
	Delete     func()    // deletes Key for good
	Silences   []Silence // ways in which the KMS does not answer
}

// Switch withdraws a key, and gives it back.
type Switch struct {
	Name    string
	Off, On func()
	// Described: Check gives the key's state along with its refusal.
	Described bool
	// CheckWorks: what is withdrawn is the key's use, not the look at it.
	CheckWorks bool
}

// Silence keeps the KMS from answering.
type Silence struct {
	Name       string
	Begin, End func()
	Hangs      bool   // the calls end by their context alone
	Reason     string // of the error; empty: any
}

// Run holds a provider to the promises. subject gives a fresh subject to each test.
func Run(t *testing.T, subject func(t *testing.T) *Subject) {
	tests := map[string]func(*testing.T, *Subject){
		"Proof":          proof,
		"RoundTrip":      roundTrip,
		"Context":        contexts,
		"OtherKey":       otherKey,
		"Damage":         damage,
		"ConcurrentUse":  concurrentUse,
		"NoSuchKey":      noSuchKey,
		"Withdrawal":     withdrawal,
		"Deletion":       deletion,
		"Silence":        silence,
		"CanceledCaller": canceledCaller,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, subject(t)) })
	}
}

// kind is how an error is to be taken.
type kind string

const (
	refused kind = "refused"
	damaged kind = "damaged"
	silent  kind = "silent"
)

// is fails the test unless err is a *kms.Error of this kind, of this call and key,
// with a reason of one word and no secret in its text.
func (s *Subject) is(t *testing.T, err error, want kind, op string, key kms.Key) {
	t.Helper()
	var e *kms.Error
	if !errors.As(err, &e) {
		t.Errorf("%s with %q: %v, want one that is %s", op, key.ARN, err, want)
		return
	}
	got := silent
	switch {
	case e.Refused && e.Damaged:
		t.Errorf("%s: refused and damaged at once: %v", op, err)
	case e.Refused:
		got = refused
	case e.Damaged:
		got = damaged
	}
	if got != want || e.Op != op || e.Key != key.ARN {
		t.Errorf("%s with %q: %s (%s, %q): %v, want %s", op, key.ARN, got, e.Op, e.Key, err, want)
	}
	if !oneWord(e.Reason) {
		t.Errorf("%s: the reason %q is not one word", op, e.Reason)
	}
	s.showsNoSecret(t, err)
}

// calls are the four calls with a key, each giving its error.
func (s *Subject) calls(key kms.Key, wrapped []byte) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"GenerateDataKey": func(ctx context.Context) error {
			made, err := s.Provider.GenerateDataKey(ctx, key, ec)
			if err != nil && (made.Plaintext != nil || made.Wrapped != nil) {
				return errors.New("GenerateDataKey gives a data key along with an error")
			}
			return err
		},
		"Encrypt": func(ctx context.Context) error {
			_, err := s.Provider.Encrypt(ctx, key, marked(), ec)
			return err
		},
		"Decrypt": func(ctx context.Context) error {
			opened, err := s.Provider.Decrypt(ctx, key, wrapped, ec)
			if err != nil && opened != nil {
				return errors.New("a data key is given along with an error")
			}
			return err
		},
		"Check": func(ctx context.Context) error {
			_, err := s.Provider.Check(ctx, key)
			return err
		},
	}
}

// ec is the encryption context of the tests.
var ec = kms.EncryptionContext("acme", 7)
