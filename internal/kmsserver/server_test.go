package kmsserver

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"
)

const (
	region  = "eu-central-1"
	account = "111122223333"
	other   = "444455556666"
)

// clock is a clock that tests turn.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) turn(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// serve starts a server.
func serve(t *testing.T, o Options) (*Server, string) {
	t.Helper()
	s := New(o)
	url, err := s.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, url
}

// client is the AWS SDK's, set up as in production but for retries.
func client(url, region string, credentials aws.CredentialsProvider) *kms.Client {
	return kms.New(kms.Options{
		Region: region, BaseEndpoint: aws.String(url), Credentials: credentials, Retryer: aws.NopRetryer{},
	})
}

func setUp(t *testing.T) (*Server, *kms.Client, string) {
	t.Helper()
	s, url := serve(t, Options{})
	arn := createKey(t, s, KeyOptions{})
	return s, client(url, region, s.Credentials()), arn
}

func createKey(t *testing.T, s *Server, o KeyOptions) string {
	t.Helper()
	arn, err := s.CreateKey(o)
	if err != nil {
		t.Fatal(err)
	}
	return arn
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantCode checks the exception's name and the HTTP status.
func wantCode(t *testing.T, what string, err error, code string, status int) {
	t.Helper()
	if code == "" {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		return
	}
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code {
		t.Errorf("%s: got %v, want %s", what, err, code)
		return
	}
	var res *awshttp.ResponseError
	if status != 0 && (!errors.As(err, &res) || res.HTTPStatusCode() != status) {
		t.Errorf("%s: got %v, want status %d", what, err, status)
	}
}

func encryptionContext(value string) map[string]string {
	return map[string]string{"pgseal:org": value, "pgseal:data-key": "7"}
}

func generate(t *testing.T, c *kms.Client, key string) *kms.GenerateDataKeyOutput {
	t.Helper()
	out, err := c.GenerateDataKey(context.Background(), &kms.GenerateDataKeyInput{
		KeyId: &key, KeySpec: types.DataKeySpecAes256, EncryptionContext: encryptionContext("acme"),
	})
	must(t, err)
	return out
}

func decrypt(c *kms.Client, key string, blob []byte) ([]byte, error) {
	in := &kms.DecryptInput{CiphertextBlob: blob, EncryptionContext: encryptionContext("acme")}
	if key != "" {
		in.KeyId = &key
	}
	out, err := c.Decrypt(context.Background(), in)
	if err != nil {
		return nil, err
	}
	return out.Plaintext, nil
}

func TestSignature(t *testing.T) {
	s, url := serve(t, Options{})
	ctx := context.Background()
	list := func(p aws.CredentialsProvider) error {
		_, err := client(url, region, p).ListKeys(ctx, &kms.ListKeysInput{})
		return err
	}
	right, err := s.Credentials().Retrieve(ctx)
	must(t, err)
	change := func(f func(*aws.Credentials)) aws.CredentialsProvider {
		c := right
		f(&c)
		return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return c, nil })
	}
	wantCode(t, "the right credentials", list(s.Credentials()), "", 0)
	wantCode(t, "another principal", list(s.Principal("reader", "")), "", 0)
	wantCode(t, "an unknown access key", list(change(func(c *aws.Credentials) { c.AccessKeyID = "AKIAUNKNOWN" })), "UnrecognizedClientException", 403)
	wantCode(t, "a wrong secret", list(change(func(c *aws.Credentials) { c.SecretAccessKey += "x" })), "InvalidSignatureException", 403)
}

// rewrite changes a signed request on its way.
type rewrite func(*http.Request)

func (f rewrite) Do(r *http.Request) (*http.Response, error) {
	f(r)
	return http.DefaultClient.Do(r)
}

func TestSignatureCoversTheRequest(t *testing.T) {
	s, url := serve(t, Options{})
	arn := createKey(t, s, KeyOptions{})
	for _, test := range []struct {
		name   string
		change rewrite
		code   string
	}{
		{"untouched", func(*http.Request) {}, ""},
		{"another operation", func(r *http.Request) { r.Header.Set("X-Amz-Target", "TrentService.ScheduleKeyDeletion") }, "InvalidSignatureException"},
		{"no signature", func(r *http.Request) { r.Header.Del("Authorization") }, "MissingAuthenticationTokenException"},
		{"half a signature", func(r *http.Request) { r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=a/b") }, "IncompleteSignature"},
		{"another scheme", func(r *http.Request) { r.Header.Set("Authorization", "Basic Zm9v") }, "IncompleteSignature"},
		{"another region", func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), region, "us-east-1", 1))
		}, "InvalidSignatureException"},
		{"no date", func(r *http.Request) { r.Header.Del("X-Amz-Date") }, "IncompleteSignature"},
	} {
		c := kms.New(kms.Options{
			Region: region, BaseEndpoint: aws.String(url), Credentials: s.Credentials(), Retryer: aws.NopRetryer{}, HTTPClient: test.change,
		})
		_, err := c.DescribeKey(context.Background(), &kms.DescribeKeyInput{KeyId: &arn})
		wantCode(t, test.name, err, test.code, 0)
	}
}

func TestSignatureExpires(t *testing.T) {
	for _, skew := range []time.Duration{-maximumSkew - time.Minute, maximumSkew + time.Minute} {
		s, url := serve(t, Options{Now: func() time.Time { return time.Now().Add(skew) }})
		_, err := client(url, region, s.Credentials()).ListKeys(context.Background(), &kms.ListKeysInput{})
		wantCode(t, skew.String(), err, "InvalidSignatureException", 403)
	}
}

func TestAnUnknownOperation(t *testing.T) {
	s, url := serve(t, Options{})
	_, err := client(url, region, s.Credentials()).GenerateRandom(context.Background(), &kms.GenerateRandomInput{})
	wantCode(t, "GenerateRandom", err, "UnknownOperationException", 404)
}

func FuzzAuthorizationFields(f *testing.F) {
	seeds := []string{"", "Basic x", "AWS4-HMAC-SHA256 Credential=a/b/c/kms/aws4_request, SignedHeaders=host;x-amz-date, Signature=00", "AWS4-HMAC-SHA256 ,=,"}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, seed := range seeds {
		f.Add(seed)
	}
	s := New(Options{})
	f.Fuzz(func(t *testing.T, header string) {
		r, err := http.NewRequest(http.MethodPost, "http://localhost/", nil)
		must(t, err)
		r.Header["Authorization"] = []string{header}
		if _, _, err := s.authenticate(r, nil, "kms", time.Now()); err == nil {
			t.Fatal("a forged signature was taken")
		}
	})
}
