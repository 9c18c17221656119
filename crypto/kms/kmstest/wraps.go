package kmstest

import (
	"bytes"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/pgseal/pgseal/crypto/kms"
)

func proof(t *testing.T, s *Subject) {
	for _, key := range []kms.Key{s.Key, s.Other} {
		state, steps, err := kms.Prove(t.Context(), s.Provider, key, "acme")
		if err != nil {
			t.Errorf("%s: %v", key.ARN, err)
		}
		if len(steps) != 3 || state.ARN == "" || state.State != s.State {
			t.Errorf("%s: %+v after %d steps", key.ARN, state, len(steps))
		}
	}
}

// generate makes a data key under the subject's first key.
func (s *Subject) generate(t *testing.T) kms.Generated {
	t.Helper()
	made, err := s.Provider.GenerateDataKey(t.Context(), s.Key, ec)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func roundTrip(t *testing.T, s *Subject) {
	ctx := t.Context()
	seen := map[string]bool{}
	for range 3 {
		made := s.generate(t)
		if len(made.Plaintext) != 32 || seen[string(made.Plaintext)] || made.KeyARN == "" {
			t.Errorf("a data key of %d bytes under %q, new: %t", len(made.Plaintext), made.KeyARN, !seen[string(made.Plaintext)])
		}
		seen[string(made.Plaintext)] = true
		hides(t, made.Wrapped, made.Plaintext)
		opened, err := s.Provider.Decrypt(ctx, s.Key.With(made.KeyARN), made.Wrapped, ec)
		if err != nil || !bytes.Equal(opened, made.Plaintext) {
			t.Errorf("unwrapped to another data key, %v", err)
		}
	}

	// Encrypt wraps as GenerateDataKey does, with each key, and leaves what it was
	// given alone.
	given := marked()
	for _, key := range []kms.Key{s.Key, s.Other} {
		wrapped, err := s.Provider.Encrypt(ctx, key, given, ec)
		if err != nil {
			t.Fatal(err)
		}
		hides(t, wrapped.Blob, given)
		opened, err := s.Provider.Decrypt(ctx, key.With(wrapped.KeyARN), wrapped.Blob, ec)
		if err != nil || string(opened) != mark || string(given) != mark {
			t.Errorf("%s: not the data key that was wrapped, %v", key.ARN, err)
		}
		opened.Zero() // is the caller's alone
		if again, err := s.Provider.Decrypt(ctx, key.With(wrapped.KeyARN), wrapped.Blob, ec); err != nil || string(again) != mark {
			t.Errorf("%s: not again, %v", key.ARN, err)
		}
	}
}

// contexts: a wrap opens under its own encryption context alone.
func contexts(t *testing.T, s *Subject) {
	other := map[string]map[string]string{
		"another org":      kms.EncryptionContext("acm", 7),
		"another data key": kms.EncryptionContext("acme", 77),
		"none":             nil,
		"one pair less":    {"pgseal:org": "acme"},
		"one pair more":    {"pgseal:org": "acme", "pgseal:data-key": "7", "x": ""},
		"values swapped":   {"pgseal:org": "7", "pgseal:data-key": "acme"},
		"boundaries moved": {"pgseal:orga": "cme", "pgseal:data-key": "7"},
		"another case":     {"PGSEAL:org": "acme", "pgseal:data-key": "7"},
	}
	wrapped, err := s.Provider.Encrypt(t.Context(), s.Key, marked(), ec)
	if err != nil {
		t.Fatal(err)
	}
	for name, context := range other {
		opened, err := s.Provider.Decrypt(t.Context(), s.Key, wrapped.Blob, context)
		if opened != nil {
			t.Errorf("%s: opened", name)
		}
		s.is(t, err, damaged, "Decrypt", s.Key)
	}
	if opened, err := s.Provider.Decrypt(t.Context(), s.Key, wrapped.Blob, maps.Clone(ec)); err != nil || string(opened) != mark {
		t.Errorf("its own context: %v", err)
	}
}

// otherKey: what one key has wrapped, another does not unwrap, and its refusal is
// about the wrap alone.
func otherKey(t *testing.T, s *Subject) {
	made := s.generate(t)
	_, err := s.Provider.Decrypt(t.Context(), s.Other, made.Wrapped, ec)
	s.is(t, err, damaged, "Decrypt", s.Other)
}

// damage: a wrap that is cut, extended or changed in one bit does not open. Where
// a wrap is text, a few of its bits mean nothing; then the data key is the same.
func damage(t *testing.T, s *Subject) {
	wrapped, err := s.Provider.Encrypt(t.Context(), s.Key, marked(), ec)
	if err != nil {
		t.Fatal(err)
	}
	whole := wrapped.Blob
	bad := [][]byte{nil, {}, {0}, []byte("garbage"), bytes.Repeat([]byte{0xA5}, len(whole)), whole[:1], whole[:len(whole)/2], whole[:len(whole)-1], whole[1:],
		append(slices.Clone(whole), 'x'), append(slices.Clone(whole), whole...), bytes.Repeat([]byte{0xA5}, 1<<14)}
	for _, b := range bad {
		_, err := s.Provider.Decrypt(t.Context(), s.Key, b, ec)
		s.is(t, err, damaged, "Decrypt", s.Key)
	}
	same := 0
	for i := range whole {
		flipped := slices.Clone(whole)
		flipped[i] ^= 1 << (i % 7)
		opened, err := s.Provider.Decrypt(t.Context(), s.Key, flipped, ec)
		if err == nil && string(opened) == mark {
			same++
			continue
		}
		if opened != nil {
			t.Errorf("byte %d: opened to another data key", i)
		}
		s.is(t, err, damaged, "Decrypt", s.Key)
	}
	if same > 3 {
		t.Errorf("%d of %d bytes mean nothing", same, len(whole))
	}
}

func concurrentUse(t *testing.T, s *Subject) {
	made := s.generate(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for op, call := range s.calls(s.Key, made.Wrapped) {
				if err := call(t.Context()); err != nil {
					t.Errorf("%s: %v", op, err)
				}
			}
		})
	}
	wg.Wait()
}
