// Package kmsserver is a key management service on loopback: it speaks AWS KMS's
// protocol (AWS JSON 1.1) to the AWS SDK, with real cryptography, AWS's documented
// key states, exceptions and HTTP codes, and faults on demand. The tests and the
// demo talk to it over HTTP as production talks to AWS.
//
// It keeps its keys in memory: what was wrapped by it is lost with it. It is not
// for production, and no stand-in for trying pgseal against AWS itself once.
//
// What it does not have: asymmetric and HMAC operations (such keys can be made, so
// that it can be shown that they are refused; so can keys that wait for imported
// material, and keys of custom key stores), grants, tags, eventual consistency (a
// change is seen at once), IAM (a principal may do all that the key's policy leaves
// to its account's IAM), of STS more than AssumeRole.
//
// Each behaviour names the page of AWS's documentation that it follows, as
// API_… (docs.aws.amazon.com/kms/latest/APIReference/API_….html) or as a page of
// the developer guide (docs.aws.amazon.com/kms/latest/developerguide/….html).
//
// Files: server.go listens and dispatches, signature.go checks SigV4, failure.go
// has the exceptions, key.go keys and their states, resolve.go how keys are named,
// sealing.go the ciphertexts, keypolicy.go who may do what, op_*.go the operations,
// sts.go the roles that a caller can assume, fault.go trouble on demand, calls.go the
// counts, control.go what a test or the demo does to keys without the network.
package kmsserver

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

const (
	targetPrefix = "TrentService." // of X-Amz-Target
	contentType  = "application/x-amz-json-1.1"
	bodyLimit    = 1 << 20
)

// Options says what server New makes. The zero value is a good one.
type Options struct {
	Region  string           // where keys are made by default; default "eu-central-1"
	Account string           // of Credentials; default "111122223333"
	Now     func() time.Time // the server's clock; default time.Now
}

// Server is the service. Its methods are safe for concurrent use.
type Server struct {
	region, account string
	now             func() time.Time
	root            *principal

	mu         sync.Mutex
	principals map[string]*principal // by access key
	roles      map[string]*role      // by ARN
	keys       map[keyName]*key
	aliases    map[aliasName]keyName
	headerKey  []byte // authenticates the head of every ciphertext
	counts     map[callKind]int
	faults     []*Injected
	quota      quota

	closed  chan struct{}
	closing sync.Once
	http    *http.Server
}

// New makes a server without keys. It serves once Listen is called, or as an
// http.Handler.
func New(o Options) *Server {
	s := &Server{
		region:     o.Region,
		account:    o.Account,
		now:        o.Now,
		principals: map[string]*principal{},
		roles:      map[string]*role{},
		keys:       map[keyName]*key{},
		aliases:    map[aliasName]keyName{},
		headerKey:  randomBytes(32),
		counts:     map[callKind]int{},
		closed:     make(chan struct{}),
	}
	if s.region == "" {
		s.region = "eu-central-1"
	}
	if s.account == "" {
		s.account = "111122223333"
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.root = s.newPrincipal("pgseal", s.account)
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	return s
}

// Listen serves on a TCP address such as "127.0.0.1:0" and gives the URL for
// kms.Options.BaseEndpoint.
func (s *Server) Listen(addr string) (url string, err error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", fmt.Errorf("kmsserver: %w", err)
	}
	go func() { _ = s.http.Serve(l) }() // ends by Close
	return "http://" + l.Addr().String(), nil
}

// Close ends the server and every request that hangs.
func (s *Server) Close() error {
	s.closing.Do(func() { close(s.closed) })
	if err := s.http.Close(); err != nil {
		return fmt.Errorf("kmsserver: %w", err)
	}
	return nil
}

// Region is where keys are made by default.
func (s *Server) Region() string { return s.region }

// Credentials are of a principal in the server's account.
func (s *Server) Credentials() aws.CredentialsProvider { return s.root }

// Principal makes one more principal. An empty account is the server's own.
func (s *Server) Principal(name, account string) aws.CredentialsProvider {
	if account == "" {
		account = s.account
	}
	return s.newPrincipal(name, account)
}

// principal is who calls, and its aws.CredentialsProvider.
type principal struct {
	arn, account      string
	accessKey, secret string

	// Of a role's session only.
	role    string // the role's ARN
	token   string
	expires time.Time
}

func (p *principal) Retrieve(context.Context) (aws.Credentials, error) {
	return aws.Credentials{
		AccessKeyID: p.accessKey, SecretAccessKey: p.secret, AccountID: p.account, Source: "kmsserver",
	}, nil
}

func (s *Server) newPrincipal(name, account string) *principal {
	p := &principal{
		arn:       "arn:aws:iam::" + account + ":user/" + name,
		account:   account,
		accessKey: "AKIA" + strings.ToUpper(hex.EncodeToString(randomBytes(8))),
		secret:    hex.EncodeToString(randomBytes(20)),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.principals[p.accessKey] = p
	return p
}

// call is one request on its way.
type call struct {
	op     string
	who    *principal
	region string // the one that the signature is for: one server serves them all
	now    time.Time
	body   []byte
	form   url.Values // of a call to STS; nil of one to KMS
}

// answer answers in the protocol that the call came in.
func (c *call) answer(w http.ResponseWriter, out any, err error) {
	if c.form != nil {
		answerXML(w, out, err)
		return
	}
	answer(w, out, err)
}

// operation performs a call. s.mu is held.
type operation func(s *Server, c *call) (any, error)

var operations = map[string]operation{
	"CancelKeyDeletion":               (*Server).opCancelKeyDeletion,
	"CreateAlias":                     (*Server).opCreateAlias,
	"CreateKey":                       (*Server).opCreateKey,
	"Decrypt":                         (*Server).opDecrypt,
	"DeleteAlias":                     (*Server).opDeleteAlias,
	"DescribeKey":                     (*Server).opDescribeKey,
	"DisableKey":                      (*Server).opDisableKey,
	"DisableKeyRotation":              (*Server).opDisableKeyRotation,
	"EnableKey":                       (*Server).opEnableKey,
	"EnableKeyRotation":               (*Server).opEnableKeyRotation,
	"Encrypt":                         (*Server).opEncrypt,
	"GenerateDataKey":                 (*Server).opGenerateDataKey,
	"GenerateDataKeyWithoutPlaintext": (*Server).opGenerateDataKeyWithoutPlaintext,
	"GetKeyPolicy":                    (*Server).opGetKeyPolicy,
	"GetKeyRotationStatus":            (*Server).opGetKeyRotationStatus,
	"ListAliases":                     (*Server).opListAliases,
	"ListKeyRotations":                (*Server).opListKeyRotations,
	"ListKeys":                        (*Server).opListKeys,
	"PutKeyPolicy":                    (*Server).opPutKeyPolicy,
	"ReEncrypt":                       (*Server).opReEncrypt,
	"ReplicateKey":                    (*Server).opReplicateKey,
	"RotateKeyOnDemand":               (*Server).opRotateKeyOnDemand,
	"ScheduleKeyDeletion":             (*Server).opScheduleKeyDeletion,
	"UpdateAlias":                     (*Server).opUpdateAlias,
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyLimit))
	if err != nil {
		answer(w, nil, failure("RequestEntityTooLargeException", "the request cannot be read, or is too large"))
		return
	}
	c, perform, err := s.accept(r, body)
	if err != nil {
		c.answer(w, nil, err)
		return
	}
	fault := s.meet(c)
	if fault != nil && !fault.before(s, c, w, r) {
		return
	}
	out, err := s.perform(c, perform)
	if fault != nil && fault.Kind == LostReply {
		reset(w)
		return
	}
	c.answer(w, out, err)
}

// accept checks what is needed before anything is done: the operation's name and
// the signature. With an error, the call is good for answering alone.
func (s *Server) accept(r *http.Request, body []byte) (*call, operation, error) {
	c := &call{now: s.now(), body: body, form: stsForm(r, body)}
	var perform operation
	service := "kms"
	if c.form == nil {
		if op, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), targetPrefix); ok {
			c.op, perform = op, operations[op]
		}
	} else if service = "sts"; c.form.Get("Action") == opAssumeRole {
		c.op, perform = opAssumeRole, (*Server).opAssumeRole
	}
	if r.Method != http.MethodPost || perform == nil {
		// CommonErrors: UnknownOperationException.
		return c, nil, failure("UnknownOperationException", "this loopback KMS does not serve the operation %q", c.op)
	}
	var err error
	c.who, c.region, err = s.authenticate(r, body, service, c.now)
	return c, perform, err
}

func (s *Server) perform(c *call, perform operation) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.take(c); err != nil {
		return nil, err
	}
	s.expire(c.now)
	return perform(s, c)
}

// decode reads the operation's input. AWS ignores members that it does not know.
func decode[T any](c *call) (T, error) {
	var in T
	if err := json.Unmarshal(c.body, &in); err != nil {
		return in, failure("SerializationException", "the request is not the JSON that %s takes", c.op)
	}
	return in, nil
}

func answer(w http.ResponseWriter, out any, err error) {
	status := http.StatusOK
	if err != nil {
		var f *fail
		if !errors.As(err, &f) {
			f = failure("KMSInternalException", "internal error")
		}
		status, out = f.status(), map[string]string{"__type": f.code, "message": f.message}
	}
	text, err := json.Marshal(out)
	if err != nil {
		panic("kmsserver: internal error: an answer that is not JSON: " + err.Error())
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Amzn-Requestid", newUUID())
	w.WriteHeader(status)
	_, _ = w.Write(text)
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return b
}

func newUUID() string {
	b := randomBytes(16)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
