package kmsserver

import (
	"context"
	"errors"
	"io"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

func TestFaultsWithACode(t *testing.T) {
	s, c, arn := setUp(t)
	for _, test := range []struct {
		kind Kind
		code string
		http int
	}{
		{Throttle, "ThrottlingException", 400},
		{Internal, "KMSInternalException", 500},
		{Unavailable, "ServiceUnavailable", 503},
		{Timeout, "DependencyTimeoutException", 503},
		{Refuse, "AccessDeniedException", 400},
	} {
		f := s.Inject(Fault{Kind: test.kind, Times: 1})
		_, err := decrypt(c, arn, []byte("x"))
		wantCode(t, test.code, err, test.code, test.http)
		generate(t, c, arn)
		if f.Hits() != 1 {
			t.Errorf("%s: %d hits, want 1", test.code, f.Hits())
		}
		f.Remove()
	}
}

func TestFaultByOperationAndKey(t *testing.T) {
	s, c, arn := setUp(t)
	second := createKey(t, s, KeyOptions{Alias: "alias/second"})
	f := s.Inject(Fault{Kind: Throttle, Op: "GenerateDataKey", Key: second, After: 1})
	generate(t, c, arn)
	data := generate(t, c, second)
	for _, id := range []string{second, "alias/second"} {
		_, err := c.GenerateDataKey(context.Background(), &kms.GenerateDataKeyInput{KeyId: &id, KeySpec: types.DataKeySpecAes256})
		wantCode(t, id, err, "ThrottlingException", 400)
	}
	_, err := decrypt(c, "", data.CiphertextBlob)
	wantCode(t, "another operation", err, "", 0)
	generate(t, c, arn)
	f.Remove()
	f.Remove()
	generate(t, c, second)

	s.Inject(Fault{Kind: Throttle, Op: "Decrypt", Key: second})
	_, err = decrypt(c, "", data.CiphertextBlob)
	wantCode(t, "a key that the ciphertext names", err, "ThrottlingException", 400)
}

func TestTheSDKRetries(t *testing.T) {
	s, url := serve(t, Options{})
	arn := createKey(t, s, KeyOptions{})
	c := kms.New(kms.Options{
		Region: region, BaseEndpoint: aws.String(url), Credentials: s.Credentials(),
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = time.Millisecond }),
	})
	for _, kind := range []Kind{Throttle, Internal, Unavailable, Reset, LostReply} {
		s.ResetCalls()
		f := s.Inject(Fault{Kind: kind, Times: 2})
		generate(t, c, arn)
		if n := s.Calls("GenerateDataKey", arn); n != 3 || f.Hits() != 2 {
			t.Errorf("fault %d: %d calls and %d hits, want 3 and 2", kind, n, f.Hits())
		}
		f.Remove()
	}
}

func TestReset(t *testing.T) {
	s, c, arn := setUp(t)
	f := s.Inject(Fault{Kind: Reset})
	_, err := decrypt(c, arn, []byte("x"))
	if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want a reset", err)
	}
	f.Remove()

	f = s.Inject(Fault{Kind: LostReply, Op: "DisableKey"})
	if _, err := c.DisableKey(context.Background(), &kms.DisableKeyInput{KeyId: &arn}); err == nil {
		t.Error("a lost reply arrived")
	}
	f.Remove()
	_, err = c.GenerateDataKey(context.Background(), &kms.GenerateDataKeyInput{KeyId: &arn, KeySpec: types.DataKeySpecAes256})
	wantCode(t, "after a DisableKey whose reply was lost", err, "DisabledException", 409)
}

func TestGarbage(t *testing.T) {
	s, c, arn := setUp(t)
	s.Inject(Fault{Kind: Garbage})
	if _, err := decrypt(c, arn, []byte("x")); err == nil {
		t.Error("garbage was taken for an answer")
	}
}

func TestHangUntilRemoved(t *testing.T) {
	s, c, arn := setUp(t)
	second := createKey(t, s, KeyOptions{})
	f := s.Inject(Fault{Kind: Hang, Key: arn})
	done := make(chan error, 1)
	go func() {
		_, err := c.GenerateDataKey(context.Background(), &kms.GenerateDataKeyInput{KeyId: &arn, KeySpec: types.DataKeySpecAes256})
		done <- err
	}()
	for f.Waiting() == 0 {
		runtime.Gosched()
	}
	generate(t, c, second) // others are not held up
	select {
	case err := <-done:
		t.Fatalf("it did not hang: %v", err)
	default:
	}
	f.Remove()
	if err := <-done; err != nil {
		t.Errorf("after the removal: %v", err)
	}
}

func TestHangEndsWithTheClientOrTheServer(t *testing.T) {
	s, c, arn := setUp(t)
	f := s.Inject(Fault{Kind: Hang})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	call := func(ctx context.Context) {
		_, err := c.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &arn})
		done <- err
	}
	go call(ctx)
	for f.Waiting() == 0 {
		runtime.Gosched()
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	for f.Waiting() != 0 {
		runtime.Gosched()
	}
	go call(context.Background())
	for f.Waiting() == 0 {
		runtime.Gosched()
	}
	must(t, s.Close())
	if err := <-done; err == nil {
		t.Error("a closed server answered")
	}
}

func TestSlow(t *testing.T) {
	s, c, arn := setUp(t)
	f := s.Inject(Fault{Kind: Slow, Delay: time.Millisecond})
	generate(t, c, arn)
	if f.Hits() != 1 || f.Waiting() != 0 {
		t.Errorf("%d hits, %d waiting", f.Hits(), f.Waiting())
	}
	// One that would outlast the test is cut short by its removal.
	f.Remove()
	f = s.Inject(Fault{Kind: Slow, Delay: time.Hour})
	done := make(chan error, 1)
	go func() {
		_, err := c.DescribeKey(context.Background(), &kms.DescribeKeyInput{KeyId: &arn})
		done <- err
	}()
	for f.Waiting() == 0 {
		runtime.Gosched()
	}
	f.Remove()
	must(t, <-done)
}

func TestQuota(t *testing.T) {
	clock := &clock{at: time.Now()}
	s, url := serve(t, Options{Now: clock.now})
	c := client(url, region, s.Credentials())
	arn := createKey(t, s, KeyOptions{})
	s.SetQuota(2)
	generate(t, c, arn)
	generate(t, c, arn)
	_, err := decrypt(c, arn, []byte("x"))
	wantCode(t, "the third in a second", err, "ThrottlingException", 400)
	_, err = c.DescribeKey(context.Background(), &kms.DescribeKeyInput{KeyId: &arn})
	wantCode(t, "what is not cryptographic", err, "", 0)
	// Another Region and another account have theirs.
	elsewhere := client(url, "eu-west-1", s.Credentials())
	generate(t, elsewhere, createKey(t, s, KeyOptions{Region: "eu-west-1"}))
	generate(t, client(url, region, s.Principal("theirs", other)), createKey(t, s, KeyOptions{Account: other}))
	clock.turn(time.Second)
	generate(t, c, arn)
}

func TestFaultOfARegion(t *testing.T) {
	s, url := serve(t, Options{})
	c := client(url, region, s.Credentials())
	elsewhere := client(url, "eu-west-1", s.Credentials())
	arn := createKey(t, s, KeyOptions{MultiRegion: true})
	replica, err := s.Replicate(arn, "eu-west-1")
	must(t, err)
	s.Inject(Fault{Kind: Unavailable, Region: region})
	_, err = c.GenerateDataKey(context.Background(), &kms.GenerateDataKeyInput{KeyId: &arn, KeySpec: types.DataKeySpecAes256})
	wantCode(t, "the Region", err, "ServiceUnavailable", 503)
	generate(t, elsewhere, replica)
}
