package aws

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/internal/kmsserver"
	"github.com/pgseal/pgseal/internal/secret"
)

// TestAttempts: what may pass is tried again, so often and no more, and a no is not.
func TestAttempts(t *testing.T) {
	s, o := server(t)
	o.Attempts, o.maxBackoff = 3, time.Millisecond
	tests := []struct {
		name    string
		kind    kmsserver.Kind
		retried bool
		reason  string
	}{
		{"throttled", kmsserver.Throttle, true, "ThrottlingException"},
		{"internal", kmsserver.Internal, true, "KMSInternalException"},
		{"unavailable", kmsserver.Unavailable, true, "ServiceUnavailable"},
		{"reset", kmsserver.Reset, true, kms.ReasonNetwork},
		{"lost reply", kmsserver.LostReply, true, kms.ReasonNetwork},
		{"refused", kmsserver.Refuse, false, "AccessDeniedException"},
		{"garbage", kmsserver.Garbage, false, kms.ReasonNetwork},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := provider(t, o) // with a retry budget of its own
			arn := create(t, s, kmsserver.KeyOptions{})
			calls := 1
			if test.retried {
				calls = 3
				stumble := s.Inject(kmsserver.Fault{Kind: test.kind, Key: arn, Times: 2})
				if _, err := p.GenerateDataKey(t.Context(), kms.Key{ARN: arn}, nil); err != nil {
					t.Error(err)
				}
				stumble.Remove()
				s.ResetCalls()
			}
			fault := s.Inject(kmsserver.Fault{Kind: test.kind, Key: arn})
			defer fault.Remove()
			_, err := p.GenerateDataKey(t.Context(), kms.Key{ARN: arn}, nil)
			is(t, err, kms.Error{Op: "GenerateDataKey", Refused: !test.retried && test.kind == kmsserver.Refuse, Reason: test.reason})
			if n := s.Calls("GenerateDataKey", arn); n != calls {
				t.Errorf("%d calls, want %d", n, calls)
			}
		})
	}
}

// TestRetriesEndWithTheDeadline: the call ends then, and not when its attempts are
// used up.
func TestRetriesEndWithTheDeadline(t *testing.T) {
	s, o := server(t)
	o.Attempts, o.maxBackoff, o.Timeout = 1_000_000, time.Millisecond, 100*time.Millisecond
	arn := create(t, s, kmsserver.KeyOptions{})
	fault := s.Inject(kmsserver.Fault{Kind: kmsserver.Throttle, Key: arn})
	defer fault.Remove()
	_, err := provider(t, o).Check(t.Context(), kms.Key{ARN: arn})
	if e := kms.AsError(err); err == nil || e.Refused {
		t.Error(err)
	}
}

// TestSlow: an answer within the time is one.
func TestSlow(t *testing.T) {
	s, o := server(t)
	arn := create(t, s, kmsserver.KeyOptions{})
	fault := s.Inject(kmsserver.Fault{Kind: kmsserver.Slow, Key: arn, Delay: 20 * time.Millisecond})
	defer fault.Remove()
	if _, err := provider(t, o).Check(t.Context(), kms.Key{ARN: arn}); err != nil || fault.Hits() != 1 {
		t.Errorf("%v after %d calls", err, fault.Hits())
	}
}

// proxy is an HTTP proxy: it forwards plain HTTP, and notes where it is to make a
// tunnel to, which it does not.
type proxy struct {
	mu            sync.Mutex
	forwarded     int
	tunnels       []string
	authorization string
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.authorization = r.Header.Get("Proxy-Authorization")
	if r.Method == http.MethodConnect {
		p.tunnels = append(p.tunnels, r.Host)
		p.mu.Unlock()
		http.Error(w, "no", http.StatusForbidden)
		return
	}
	p.forwarded++
	p.mu.Unlock()
	r.RequestURI = ""
	r.Header.Del("Proxy-Authorization")
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer func() { _ = answer.Body.Close() }()
	for name, values := range answer.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.StatusCode)
	_, _ = io.Copy(w, answer.Body)
}

func startProxy(t *testing.T) (*proxy, secret.Text) {
	t.Helper()
	p := &proxy{}
	s := httptest.NewServer(p)
	t.Cleanup(s.Close)
	return p, secret.Text("http://pgseal:planted-password@" + strings.TrimPrefix(s.URL, "http://"))
}

func TestProxy(t *testing.T) {
	s, o := server(t)
	px, url := startProxy(t)
	o.Proxy = url
	roundTripWith(t, provider(t, o), roleKey(t, s, "acme", "ext-acme"))
	px.mu.Lock()
	defer px.mu.Unlock()
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte("pgseal:planted-password"))
	if px.forwarded != s.Calls("", "") || px.authorization != want {
		t.Errorf("%d of %d calls went by the proxy, the last as %q", px.forwarded, s.Calls("", ""), px.authorization)
	}
}

// TestEndpoints: where the calls go without an endpoint of ours.
func TestEndpoints(t *testing.T) {
	px, url := startProxy(t)
	_, o := server(t)
	o.Endpoint, o.STSEndpoint, o.Attempts, o.Proxy = "", "", 1, url
	key := func(region string) kms.Key {
		return kms.Key{ARN: "arn:aws:kms:" + region + ":111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"}
	}
	withRole := key("us-east-1")
	withRole.RoleARN = "arn:aws:iam::111122223333:role/acme"
	china := key("cn-north-1")
	china.ARN = strings.Replace(china.ARN, "arn:aws:", "arn:aws-cn:", 1)
	for _, test := range []struct {
		fips bool
		key  kms.Key
		host string
	}{
		{false, key("eu-central-1"), "kms.eu-central-1.amazonaws.com:443"},
		{false, china, "kms.cn-north-1.amazonaws.com.cn:443"},
		{true, key("eu-central-1"), "kms-fips.eu-central-1.amazonaws.com:443"},
		{true, withRole, "sts-fips.us-east-1.amazonaws.com:443"},
		{false, withRole, "sts.us-east-1.amazonaws.com:443"},
	} {
		o.FIPS = test.fips
		_, err := provider(t, o).Check(t.Context(), test.key)
		if e := kms.AsError(err); err == nil || e.Refused || e.Reason != kms.ReasonNetwork {
			t.Errorf("%s: %v", test.host, err)
		}
		if strings.Contains(fmt.Sprint(err), "planted") {
			t.Errorf("%s: the error shows the proxy's password: %v", test.host, err)
		}
		px.mu.Lock()
		if !slices.Equal(px.tunnels, []string{test.host}) {
			t.Errorf("%s: went to %v", test.host, px.tunnels)
		}
		px.tunnels = nil
		px.mu.Unlock()
	}
}

func TestBadOptions(t *testing.T) {
	for want, o := range map[string]Options{
		"FIPS, but the endpoint is given": {FIPS: true, Endpoint: "https://kms.internal"},
		"proxy: not a URL":                {Proxy: "pgseal:planted-password@proxy:3128"},
		"proxy: not a URL ":               {Proxy: "http://pgseal:planted-password@[proxy:3128"},
		"proxy: not a URL such":           {Proxy: "ftp://pgseal:planted-password@proxy"},
	} {
		_, err := New(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "planted") {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestMetadataGoesByNoProxy: what the machine tells of itself is asked directly.
func TestMetadataGoesByNoProxy(t *testing.T) {
	for host, want := range map[string]bool{
		"169.254.169.254": true, "169.254.170.2": true, "169.254.170.23": true, "fd00:ec2::254": true, "fd00:ec2::23": true,
		"127.0.0.1": false, "10.0.0.1": false, "fd00:ec3::1": false, "kms.eu-central-1.amazonaws.com": false, "": false,
	} {
		if ofThisMachine(host) != want {
			t.Errorf("%s: %v", host, !want)
		}
	}
}

// TestOwnCredentialsChain: the environment, and a profile.
func TestOwnCredentialsChain(t *testing.T) {
	s, o := server(t)
	arn := create(t, s, kmsserver.KeyOptions{})
	c, err := o.Credentials.Retrieve(t.Context())
	must(t, err)
	o.Credentials = nil
	t.Run("environment", func(t *testing.T) {
		t.Setenv("AWS_ACCESS_KEY_ID", c.AccessKeyID)
		t.Setenv("AWS_SECRET_ACCESS_KEY", c.SecretAccessKey)
		roundTrip(t, provider(t, o), arn)
	})
	t.Run("profile", func(t *testing.T) {
		p := provider(t, o) // sets the environment
		_, err := p.Check(t.Context(), kms.Key{ARN: arn})
		is(t, err, kms.Error{Op: "Check", Reason: kms.ReasonCredentials})
		file := filepath.Join(t.TempDir(), "credentials")
		must(t, os.WriteFile(file, []byte("[pgseal]\naws_access_key_id = "+c.AccessKeyID+"\naws_secret_access_key = "+c.SecretAccessKey+"\n"), 0o600))
		t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
		with := o
		with.Profile = "pgseal"
		p, err = New(t.Context(), with)
		must(t, err)
		roundTrip(t, p, arn)
	})
}

// TestHalfAnAnswer: of an answer that ends in the middle, the error shows nothing.
func TestHalfAnAnswer(t *testing.T) {
	planted := []byte("planted-data-key-of-32-bytes-123")
	// As it is and as the answer has it, as text and in the ways of fmt for bytes.
	var forms []string
	for _, b := range [][]byte{planted[:20], []byte(base64.StdEncoding.EncodeToString(planted))[:20]} {
		forms = append(forms, string(b), hex.EncodeToString(b), strings.Trim(fmt.Sprint(b), "[]"), strings.Trim(fmt.Sprintf("%#v", b), "[]byteuin8{}"))
	}
	half := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Amz-Target") == "" { // STS
			w.Header().Set("Content-Type", "text/xml")
			_, _ = fmt.Fprintf(w, "<AssumeRoleResponse><AssumeRoleResult><Credentials><SecretAccessKey>%s</SecretAccessKey><Sess", planted)
			return
		}
		text, _ := json.Marshal(map[string]any{"Plaintext": planted, "CiphertextBlob": planted})
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_, _ = w.Write(text[:len(text)-10])
	}))
	t.Cleanup(half.Close)
	_, o := server(t)
	o.Endpoint, o.STSEndpoint, o.Attempts = half.URL, half.URL, 1
	p := provider(t, o)
	if p.config.ClientLogMode != 0 {
		t.Error("the SDK logs requests")
	}
	key := kms.Key{ARN: "arn:aws:kms:eu-central-1:111122223333:alias/acme"}
	withRole := kms.Key{ARN: key.ARN, RoleARN: "arn:aws:iam::111122223333:role/acme"}
	for what, call := range map[string]func() error{
		"GenerateDataKey": func() error { _, err := p.GenerateDataKey(t.Context(), key, nil); return err },
		"Decrypt":         func() error { _, err := p.Decrypt(t.Context(), key, planted, nil); return err },
		"Encrypt":         func() error { _, err := p.Encrypt(t.Context(), key, planted, nil); return err },
		"ReEncrypt":       func() error { _, err := p.ReEncrypt(t.Context(), key, planted, key, nil); return err },
		"AssumeRole":      func() error { _, err := p.Check(t.Context(), withRole); return err },
	} {
		err := call()
		if err == nil || kms.AsError(err).Refused {
			t.Errorf("%s: %v", what, err)
		}
		for _, shown := range prints(err) {
			for _, form := range forms {
				if strings.Contains(shown, form) {
					t.Errorf("%s: the error shows what the answer had: %.200s", what, shown)
				}
			}
		}
	}
}

// TestEmptyAnswer: an answer without what was asked for is none.
func TestEmptyAnswer(t *testing.T) {
	empty := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_, _ = w.Write([]byte("{}"))
	}))
	t.Cleanup(empty.Close)
	_, o := server(t)
	o.Endpoint, o.Attempts = empty.URL, 1
	p := provider(t, o)
	key := kms.Key{ARN: "arn:aws:kms:eu-central-1:111122223333:alias/acme"}
	for op, call := range map[string]func() error{
		"GenerateDataKey": func() error { _, err := p.GenerateDataKey(t.Context(), key, nil); return err },
		"Decrypt":         func() error { _, err := p.Decrypt(t.Context(), key, []byte("wrapped"), nil); return err },
		"Encrypt":         func() error { _, err := p.Encrypt(t.Context(), key, []byte("key"), nil); return err },
		"ReEncrypt":       func() error { _, err := p.ReEncrypt(t.Context(), key, []byte("wrapped"), key, nil); return err },
		"Check":           func() error { _, err := p.Check(t.Context(), key); return err },
	} {
		is(t, call(), kms.Error{Op: op, Reason: kms.ReasonNetwork})
	}
}

// prints are all ways of printing an error and what it wraps.
func prints(err error) []string {
	if err == nil {
		return nil
	}
	texts := []string{fmt.Sprintf("%v", err), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err)}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range many.Unwrap() {
			texts = append(texts, prints(e)...)
		}
	}
	return append(texts, prints(errors.Unwrap(err))...)
}
