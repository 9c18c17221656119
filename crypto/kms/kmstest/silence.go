package kmstest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/pgseal/pgseal/crypto/kms"
)

// patience bounds a call to a KMS that hangs. The calls last for about so long.
const patience = 200 * time.Millisecond

// silence: a KMS that does not answer is not one that says no, and the provider
// recovers by itself.
func silence(t *testing.T, s *Subject) {
	if len(s.Silences) == 0 {
		t.Skip("this KMS has no way of not answering")
	}
	made := s.generate(t)
	for _, way := range s.Silences {
		t.Run(way.Name, func(t *testing.T) {
			way.Begin()
			for op, call := range s.calls(s.Key, made.Wrapped) {
				ctx, cancel := context.WithCancel(t.Context())
				if way.Hangs {
					ctx, cancel = context.WithTimeout(t.Context(), patience)
				}
				err := call(ctx)
				cancel()
				s.is(t, err, silent, op, s.Key)
				if e := kms.AsError(err); way.Reason != "" && e.Reason != way.Reason {
					t.Errorf("%s: the reason is %s, want %s: %v", op, e.Reason, way.Reason, err)
				}
			}
			way.End()
			for op, call := range s.calls(s.Key, made.Wrapped) {
				if err := call(t.Context()); err != nil {
					t.Errorf("answers again: %s: %v", op, err)
				}
			}
		})
	}
}

// canceledCaller: a call whose caller has gone makes no answer of its own.
func canceledCaller(t *testing.T, s *Subject) {
	made := s.generate(t)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	expired, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	for _, test := range []struct {
		ctx    context.Context
		cause  error
		reason string
	}{
		{canceled, context.Canceled, kms.ReasonCanceled},
		{expired, context.DeadlineExceeded, kms.ReasonTimeout},
	} {
		for op, call := range s.calls(s.Key, made.Wrapped) {
			err := call(test.ctx)
			s.is(t, err, silent, op, s.Key)
			if e := kms.AsError(err); e.Reason != test.reason || !errors.Is(err, test.cause) {
				t.Errorf("%s: %v, want the reason %s", op, err, test.reason)
			}
		}
	}
}
