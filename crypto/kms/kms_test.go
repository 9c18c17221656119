package kms

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

func TestEncryptionContext(t *testing.T) {
	got := EncryptionContext("acme", 1<<63-1)
	if len(got) != 2 || got["pgseal:org"] != "acme" || got["pgseal:data-key"] != "9223372036854775807" {
		t.Errorf("%v", got)
	}
}

func TestAsError(t *testing.T) {
	refused := &Error{Op: "Decrypt", Refused: true, Reason: "DisabledException"}
	tests := []struct {
		err    error
		refuse bool
		reason string
	}{
		{refused, true, "DisabledException"},
		{fmt.Errorf("further up: %w", refused), true, "DisabledException"},
		{errors.New("something else"), false, ReasonNetwork},
		{fmt.Errorf("call: %w", context.DeadlineExceeded), false, ReasonTimeout},
		{fmt.Errorf("call: %w", context.Canceled), false, ReasonCanceled},
	}
	for _, test := range tests {
		if e := AsError(test.err); e.Refused != test.refuse || e.Damaged || e.Reason != test.reason {
			t.Errorf("%v: %+v", test.err, e)
		}
	}
}

func TestErrorText(t *testing.T) {
	cause := errors.New("cause")
	tests := map[string]*Error{
		"kms: Check with key k: KMS refuses (Disabled)":                                                   {Op: "Check", Key: "k", Refused: true, Reason: "Disabled"},
		"kms: Check with key k: KMS is not asked: the configuration does not allow this key (NotAllowed)": {Op: "Check", Key: "k", Refused: true, Reason: ReasonNotAllowed},
		"kms: Decrypt with key k: KMS does not unwrap this data key (IncorrectKeyException)":              {Op: "Decrypt", Key: "k", Damaged: true, Reason: "IncorrectKeyException"},
		"kms: Decrypt with key k: KMS does not answer (timeout): cause":                                   {Op: "Decrypt", Key: "k", Reason: ReasonTimeout, Err: cause},
	}
	for want, e := range tests {
		if e.Error() != want {
			t.Errorf("got  %s\nwant %s", e.Error(), want)
		}
	}
	if e := (&Error{Err: cause}); !errors.Is(e, cause) {
		t.Error("the cause is lost")
	}
}
