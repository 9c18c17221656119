package kms_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/crypto/kms/aws"
	"github.com/pgseal/pgseal/internal/kmsserver"
)

// What wraps a provider, over HTTP to a KMS.

func start(t *testing.T) (*kmsserver.Server, kms.Provider) {
	t.Helper()
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	s := kmsserver.New(kmsserver.Options{})
	url, err := s.Listen("127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	p, err := aws.New(t.Context(), aws.Options{Endpoint: url, Credentials: s.Credentials(), Timeout: time.Minute, Attempts: 1})
	must(t, err)
	return s, p
}

// regions makes a multi-Region key in Frankfurt, with a replica in Dublin.
func regions(t *testing.T, s *kmsserver.Server) kms.Key {
	t.Helper()
	arn, err := s.CreateKey(kmsserver.KeyOptions{MultiRegion: true, Region: "eu-central-1"})
	must(t, err)
	replica, err := s.Replicate(arn, "eu-west-1")
	must(t, err)
	return kms.Key{ARN: arn, Replicas: []string{replica}}
}

var ec = kms.EncryptionContext("acme", 7)

func TestFailoverOnSilence(t *testing.T) {
	for name, kind := range map[string]kmsserver.Kind{
		"throttled": kmsserver.Throttle, "error": kmsserver.Internal, "reset": kmsserver.Reset, "garbage": kmsserver.Garbage,
	} {
		t.Run(name, func(t *testing.T) {
			s, plain := start(t)
			key := regions(t, s)
			p := kms.Failover(plain)
			before, err := p.GenerateDataKey(t.Context(), key, ec)
			must(t, err)
			if before.KeyARN != key.ARN || s.Calls("", key.Replicas[0]) != 0 {
				t.Errorf("made under %s", before.KeyARN)
			}
			s.ResetCalls()
			fault := s.Inject(kmsserver.Fault{Kind: kind, Key: key.ARN})
			during, err := p.GenerateDataKey(t.Context(), key, ec)
			must(t, err)
			if during.KeyARN != key.Replicas[0] {
				t.Errorf("made under %s", during.KeyARN)
			}
			// What Frankfurt wrapped opens in Dublin.
			opened, err := p.Decrypt(t.Context(), key.With(before.KeyARN), before.Wrapped, ec)
			must(t, err)
			if !bytes.Equal(opened, before.Plaintext) {
				t.Error("unwrapped to another key")
			}
			wrapped, err := p.Encrypt(t.Context(), key, opened, ec)
			must(t, err)
			if state, err := p.Check(t.Context(), key); err != nil || state.ARN != key.Replicas[0] || wrapped.KeyARN != state.ARN {
				t.Errorf("%+v, %+v, %v", wrapped, state, err)
			}
			// Of the four calls only the first waited for Frankfurt.
			if n := s.Calls("", key.ARN); n != 1 {
				t.Errorf("%d calls to the Region that is silent", n)
			}
			fault.Remove()
			// What Dublin wrapped opens in Frankfurt, for a process that knows of no outage.
			s.ResetCalls()
			opened, err = kms.Failover(plain).Decrypt(t.Context(), key.With(during.KeyARN), during.Wrapped, ec)
			must(t, err)
			if !bytes.Equal(opened, during.Plaintext) || s.Calls("", key.ARN) != 1 || s.Calls("", key.Replicas[0]) != 0 {
				t.Error("not unwrapped in the Region that is first")
			}
		})
	}
}

// TestFirstNoIsFinal: no Region overrules another one's refusal.
func TestFirstNoIsFinal(t *testing.T) {
	s, plain := start(t)
	key := regions(t, s)
	p := kms.Failover(plain)
	made, err := p.GenerateDataKey(t.Context(), key, ec)
	must(t, err)
	refused := func(asked, notAsked string) {
		t.Helper()
		s.ResetCalls()
		_, err := p.Decrypt(t.Context(), key, made.Wrapped, ec)
		if e := kms.AsError(err); !e.Refused || e.Reason != "DisabledException" || e.Key != asked {
			t.Errorf("Decrypt: %v", err)
		}
		state, err := p.Check(t.Context(), key)
		if e := kms.AsError(err); !e.Refused || state.State != "Disabled" || state.ARN != asked {
			t.Errorf("Check: %+v, %v", state, err)
		}
		if s.Calls("Decrypt", notAsked)+s.Calls("DescribeKey", notAsked) != 0 {
			t.Errorf("asked %s too", notAsked)
		}
	}
	must(t, s.Disable(key.ARN))
	refused(key.ARN, key.Replicas[0])

	// The other way round: Frankfurt is silent, and Dublin's no counts.
	must(t, s.Enable(key.ARN))
	p = kms.Failover(plain)
	must(t, s.Disable(key.Replicas[0]))
	fault := s.Inject(kmsserver.Fault{Kind: kmsserver.Unavailable, Key: key.ARN})
	if _, err := p.Check(t.Context(), key); !kms.AsError(err).Refused { // has met the fault
		t.Error(err)
	}
	refused(key.Replicas[0], key.ARN)
	fault.Remove()

	// Nor does damage to a wrapped key send it round.
	s.ResetCalls()
	p = kms.Failover(plain)
	made.Wrapped[len(made.Wrapped)-1] ^= 1
	if _, err := p.Decrypt(t.Context(), key, made.Wrapped, ec); !kms.AsError(err).Damaged || s.Calls("Decrypt", "") != 1 {
		t.Errorf("%v after %d calls", err, s.Calls("Decrypt", ""))
	}
}

// TestNoIsTakenBackByWhoSaidIt: a Region that said no, and is silent then, has not
// said yes; no other Region says it in its place, in any call.
func TestNoIsTakenBackByWhoSaidIt(t *testing.T) {
	s, plain := start(t)
	key := regions(t, s)
	p := kms.Failover(plain)
	made, err := p.GenerateDataKey(t.Context(), key, ec)
	must(t, err)
	calls := map[string]func() error{
		"Check":   func() error { _, err := p.Check(t.Context(), key); return err },
		"Decrypt": func() error { _, err := p.Decrypt(t.Context(), key, made.Wrapped, ec); return err },
		"mint":    func() error { _, err := p.GenerateDataKey(t.Context(), key, ec); return err },
	}
	all := func(what string, ok func(error) bool) {
		t.Helper()
		for name, call := range calls {
			if err := call(); !ok(err) {
				t.Errorf("%s: %s: %v", what, name, err)
			}
		}
	}
	yes := func(err error) bool { return err == nil }
	no := func(err error) bool { return err != nil && kms.AsError(err).Refused }
	silence := func(err error) bool { return err != nil && !kms.AsError(err).Refused }

	must(t, s.Deny(key.ARN, "kms:Decrypt"))
	if err := calls["Decrypt"](); !no(err) {
		t.Error(err)
	}
	must(t, calls["Check"]()) // is a yes, but to something else
	fault := s.Inject(kmsserver.Fault{Kind: kmsserver.Unavailable, Key: key.ARN})
	all("silent after a no", silence)
	all("and again", silence)
	if n := s.Calls("", key.Replicas[0]); n != 0 {
		t.Errorf("%d calls to the other Region", n)
	}
	fault.Remove()
	must(t, s.Allow(key.ARN))
	all("taken back", yes)
	fault = s.Inject(kmsserver.Fault{Kind: kmsserver.Unavailable, Key: key.ARN})
	all("silent after a yes", yes)

	// The other Region's no is none of the first one's when that is back.
	must(t, s.Disable(key.Replicas[0]))
	all("the other Region says no", no)
	fault.Remove()
	p = kms.Failover(plain)
	all("the first Region says yes", yes)
}

// TestReEncryptInAnyRegion: in the first Region that both keys have and that answers.
func TestReEncryptInAnyRegion(t *testing.T) {
	s, plain := start(t)
	from, to := regions(t, s), regions(t, s)
	p := kms.Failover(plain)
	made, err := p.GenerateDataKey(t.Context(), from, ec)
	must(t, err)
	again := func(to kms.Key, want string) {
		t.Helper()
		wrapped, err := kms.ReEncrypt(t.Context(), p, from, made.Wrapped, to, ec)
		must(t, err)
		opened, err := p.Decrypt(t.Context(), to.With(wrapped.KeyARN), wrapped.Blob, ec)
		must(t, err)
		if wrapped.KeyARN != want || !bytes.Equal(opened, made.Plaintext) {
			t.Errorf("wrapped under %s, want %s", wrapped.KeyARN, want)
		}
	}
	again(to, to.ARN)
	// One that is asked in Dublin first, one that is there alone, one that is not in
	// a Region of the old key.
	again(kms.Key{ARN: to.Replicas[0], Replicas: []string{to.ARN}}, to.Replicas[0])
	dublin, err := s.CreateKey(kmsserver.KeyOptions{Region: "eu-west-1"})
	must(t, err)
	again(kms.Key{ARN: dublin}, dublin)
	paris, err := s.CreateKey(kmsserver.KeyOptions{Region: "eu-west-3"})
	must(t, err)
	if _, err := kms.ReEncrypt(t.Context(), p, from, made.Wrapped, kms.Key{ARN: paris}, ec); !errors.Is(err, kms.ErrReEncrypt) {
		t.Error(err)
	}
	elsewhere, err := s.Replicate(to.ARN, "eu-west-3")
	must(t, err)
	again(kms.Key{ARN: elsewhere, Replicas: to.Replicas}, to.Replicas[0])
	fault := s.Inject(kmsserver.Fault{Kind: kmsserver.Unavailable, Region: "eu-central-1"})
	defer fault.Remove()
	again(to, to.Replicas[0])
}

// TestAllSilent: the error is a silence, and names the Region that was asked first.
func TestAllSilent(t *testing.T) {
	s, plain := start(t)
	key := regions(t, s)
	fault := s.Inject(kmsserver.Fault{Kind: kmsserver.Unavailable})
	defer fault.Remove()
	_, err := kms.Failover(plain).Check(t.Context(), key)
	if e := kms.AsError(err); e.Refused || e.Damaged || e.Reason != "ServiceUnavailable" || e.Key != key.ARN || e.Op != "Check" || fault.Hits() != 2 {
		t.Errorf("%v after %d calls", err, fault.Hits())
	}
}

// TestLeavingBlamesNoRegion: a caller that gives up says nothing about the Region.
func TestLeavingBlamesNoRegion(t *testing.T) {
	s, plain := start(t)
	key := regions(t, s)
	p := kms.Failover(plain)
	fault := s.Inject(kmsserver.Fault{Kind: kmsserver.Hang, Key: key.ARN})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := p.Check(ctx, key)
		done <- err
	}()
	for fault.Hits() == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-done; kms.AsError(err).Reason != kms.ReasonCanceled {
		t.Error(err)
	}
	fault.Remove()
	if state, err := p.Check(t.Context(), key); err != nil || state.ARN != key.ARN || s.Calls("", key.Replicas[0]) != 0 {
		t.Errorf("%+v, %v", state, err)
	}
}

// TestNotAReplica: a key that is none of the multi-Region key's is never asked.
func TestNotAReplica(t *testing.T) {
	s, plain := start(t)
	key := regions(t, s)
	other, err := s.CreateKey(kmsserver.KeyOptions{Region: "eu-west-1", Alias: "alias/acme"})
	must(t, err)
	fault := s.Inject(kmsserver.Fault{Kind: kmsserver.Unavailable, Key: key.ARN})
	defer fault.Remove()
	key.Replicas = []string{other, "arn:aws:kms:eu-west-1:111122223333:alias/acme"}
	_, err = kms.Failover(plain).GenerateDataKey(t.Context(), key, ec)
	if e := kms.AsError(err); err == nil || e.Refused || s.Calls("", other) != 0 {
		t.Errorf("%v", err)
	}
}

func notAllowed(t *testing.T, what string, err error) {
	t.Helper()
	var e *kms.Error
	if !errors.As(err, &e) || !e.Refused || e.Reason != kms.ReasonNotAllowed {
		t.Errorf("%s: %v", what, err)
	}
}

// TestAllow: a key that is not listed is not asked, by no call.
func TestAllow(t *testing.T) {
	s, plain := start(t)
	ours, err := s.CreateKey(kmsserver.KeyOptions{})
	must(t, err)
	theirs, err := s.CreateKey(kmsserver.KeyOptions{Account: "444455556666"})
	must(t, err)
	standard, err := s.CreateKey(kmsserver.KeyOptions{Account: "777788889999"})
	must(t, err)
	p, err := kms.Allow(plain, []string{"arn:aws:kms:*:111122223333:key/*"}, standard)
	must(t, err)
	p = kms.Failover(p)
	key := kms.Key{ARN: ours}
	made, err := p.GenerateDataKey(t.Context(), key, ec)
	must(t, err)
	for what, call := range map[string]func(kms.Key) error{
		"GenerateDataKey": func(k kms.Key) error { _, err := p.GenerateDataKey(t.Context(), k, ec); return err },
		"Encrypt":         func(k kms.Key) error { _, err := p.Encrypt(t.Context(), k, made.Plaintext, ec); return err },
		"Decrypt":         func(k kms.Key) error { _, err := p.Decrypt(t.Context(), k, made.Wrapped, ec); return err },
		"Check":           func(k kms.Key) error { _, err := p.Check(t.Context(), k); return err },
		"Describe":        func(k kms.Key) error { _, err := kms.Describe(t.Context(), p, k); return err },
		"ReEncrypt to":    func(k kms.Key) error { _, err := kms.ReEncrypt(t.Context(), p, key, made.Wrapped, k, ec); return err },
		"ReEncrypt from":  func(k kms.Key) error { _, err := kms.ReEncrypt(t.Context(), p, k, made.Wrapped, key, ec); return err },
	} {
		s.ResetCalls()
		notAllowed(t, what, call(kms.Key{ARN: theirs}))
		if n := s.Calls("", ""); n != 0 {
			t.Errorf("%s: %d calls", what, n)
		}
		var e *kms.Error
		if err := call(kms.Key{ARN: standard}); errors.As(err, &e) && e.Reason == kms.ReasonNotAllowed {
			t.Errorf("%s: the default key: %v", what, err)
		}
	}
}

// TestAllowAlias: what an alias stands for has to be allowed too.
func TestAllowAlias(t *testing.T) {
	s, plain := start(t)
	_, err := s.CreateKey(kmsserver.KeyOptions{Alias: "alias/acme"})
	must(t, err)
	alias := kms.Key{ARN: "arn:aws:kms:eu-central-1:111122223333:alias/acme"}
	p, err := kms.Allow(plain, []string{"arn:aws:kms:*:111122223333:alias/*"})
	must(t, err)
	_, err = p.GenerateDataKey(t.Context(), alias, ec)
	notAllowed(t, "GenerateDataKey", err)
	_, err = p.Encrypt(t.Context(), alias, make([]byte, 32), ec)
	notAllowed(t, "Encrypt", err)
	_, err = p.Check(t.Context(), alias)
	notAllowed(t, "Check", err)

	p, err = kms.Allow(plain, []string{"arn:aws:kms:*:111122223333:*"})
	must(t, err)
	made, err := p.GenerateDataKey(t.Context(), alias, ec)
	must(t, err)
	_, err = p.Decrypt(t.Context(), alias.With(made.KeyARN), made.Wrapped, ec)
	must(t, err)
}
