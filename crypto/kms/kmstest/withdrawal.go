package kmstest

import (
	"bytes"
	"errors"
	"testing"

	"github.com/pgseal/pgseal/crypto/kms"
)

// noSuchKey: a key that is not there, or has no name of this provider's, is
// refused by every call, and made by none.
func noSuchKey(t *testing.T, s *Subject) {
	made := s.generate(t)
	keys := []kms.Key{s.Missing, {}}
	for _, name := range s.BadNames {
		keys = append(keys, kms.Key{ARN: name})
	}
	for _, key := range keys {
		for range 2 { // nor by the call before
			for op, call := range s.calls(key, made.Wrapped) {
				s.is(t, call(t.Context()), refused, op, key)
			}
		}
	}
}

// withdrawal: a key that is withdrawn is refused while it is, and works as before
// when it is given back; the other key is not concerned.
func withdrawal(t *testing.T, s *Subject) {
	if len(s.Switches) == 0 {
		t.Skip("this KMS has no way to withdraw a key and give it back")
	}
	made := s.generate(t)
	for _, way := range s.Switches {
		t.Run(way.Name, func(t *testing.T) {
			way.Off()
			for op, call := range s.calls(s.Key, made.Wrapped) {
				if op != "Check" {
					s.is(t, call(t.Context()), refused, op, s.Key)
				}
			}
			state, err := s.Provider.Check(t.Context(), s.Key)
			switch {
			case !way.CheckWorks:
				s.is(t, err, refused, "Check", s.Key)
			case err != nil:
				t.Error(err)
			}
			if way.Described != (state.State != "") && !way.CheckWorks || way.Described && state.State == s.State {
				t.Errorf("the state is %q", state.State)
			}
			if _, err := s.Provider.GenerateDataKey(t.Context(), s.Other, ec); err != nil {
				t.Errorf("the other key: %v", err)
			}
			way.On()
			opened, err := s.Provider.Decrypt(t.Context(), s.Key, made.Wrapped, ec)
			if err != nil || !bytes.Equal(opened, made.Plaintext) {
				t.Errorf("given back: %v", err)
			}
			for op, call := range s.calls(s.Key, made.Wrapped) {
				if err := call(t.Context()); err != nil {
					t.Errorf("given back: %s: %v", op, err)
				}
			}
		})
	}
}

// deletion: a key that is deleted is refused by every call, and not made anew.
func deletion(t *testing.T, s *Subject) {
	if s.Delete == nil {
		t.Skip("this KMS has no way to delete a key")
	}
	made := s.generate(t)
	s.Delete()
	for range 2 {
		for op, call := range s.calls(s.Key, made.Wrapped) {
			s.is(t, call(t.Context()), refused, op, s.Key)
		}
	}
	if err := errors.Join(s.calls(s.Other, nil)["Check"](t.Context()), s.calls(s.Other, nil)["Encrypt"](t.Context())); err != nil {
		t.Errorf("the other key: %v", err)
	}
}
