package keyring

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/crypto"
	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/crypto/kms/aws"
	"github.com/pgseal/pgseal/internal/kmsserver"
	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const context1 = "public.spans.attributes"

var tester = keystore.Actor{Name: "tester", Process: "keyring_test"}

// clock is a keyring's clock that only the test moves.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Duration          { return time.Duration(c.at.Load()) }
func (c *clock) advance(d time.Duration)     { c.at.Add(int64(d)) }
func (c *clock) beyond(o Options)            { c.advance(o.Negative + 1) } // negative answers are forgotten
func (c *clock) expire(r *Keyring)           { c.advance(r.options.TTL + 1) }
func (c *clock) intoRefreshAhead(r *Keyring) { c.advance(r.options.TTL - r.options.TTL/10 - 1) }

// env is a keystore in a real Postgres, a KMS over HTTP, and orgs acme and
// globex with a key each.
type env struct {
	t     *testing.T
	kms   *kmsserver.Server
	url   string
	dsn   string
	store *keystore.Store
	arns  map[string]string
	clock *clock
}

func newEnv(t *testing.T) *env {
	t.Helper()
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
	e := &env{t: t, kms: kmsserver.New(kmsserver.Options{}), dsn: pgtest.Database(t), arns: map[string]string{}, clock: &clock{}}
	var err error
	e.url, err = e.kms.Listen("127.0.0.1:0")
	e.must(err)
	t.Cleanup(func() { e.must(e.kms.Close()) })
	_, err = keystore.Migrate(t.Context(), e.dsn, keystore.Tables)
	e.must(err)
	e.store = e.open()
	e.link("acme")
	e.link("globex")
	return e
}

func (e *env) must(err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatal(err)
	}
}

func (e *env) open() *keystore.Store {
	e.t.Helper()
	s, err := keystore.Open(e.t.Context(), e.dsn)
	e.must(err)
	e.t.Cleanup(s.Close)
	return s
}

// link gives an org a key.
func (e *env) link(org string) {
	e.t.Helper()
	arn, err := e.kms.CreateKey(kmsserver.KeyOptions{})
	e.must(err)
	e.must(e.store.AddOrgKey(e.t.Context(), keystore.OrgKey{Org: org, Name: org, Key: kms.Key{ARN: arn}}, tester))
	e.arns[org] = arn
}

// replace gives an org another key, and tells which.
func (e *env) replace(org string) (arn string) {
	e.t.Helper()
	arn, err := e.kms.CreateKey(kmsserver.KeyOptions{})
	e.must(err)
	e.replaceBy(org, arn)
	return arn
}

func (e *env) replaceBy(org, arn string) {
	e.t.Helper()
	e.must(e.store.ReplaceOrgKey(e.t.Context(), org, keystore.Replacement{Key: kms.Key{ARN: arn}}, tester))
}

// rewrap gives a data key a second wrap, under the key of an ARN.
func (e *env) rewrap(r *Keyring, id uint64, arn string) {
	e.t.Helper()
	row, err := e.store.DataKey(e.t.Context(), id)
	e.must(err)
	ec := kms.EncryptionContext(row.Org, id)
	plaintext, err := r.provider.Decrypt(e.t.Context(), kms.Key{ARN: row.KeyARN}, row.Wrapped, ec)
	e.must(err)
	wrapped, err := r.provider.Encrypt(e.t.Context(), kms.Key{ARN: arn}, plaintext, ec)
	e.must(err)
	e.must(e.store.AddWrap(e.t.Context(), row, wrapped))
}

// sql changes the keystore behind everybody's back.
func (e *env) sql(sql string, args ...any) {
	e.t.Helper()
	conn, err := pgx.Connect(e.t.Context(), e.dsn)
	e.must(err)
	_, err = conn.Exec(e.t.Context(), sql, args...)
	e.must(err)
	e.must(conn.Close(e.t.Context()))
}

// ring starts a process's keyring. Timeouts are long unless a test sets them:
// nothing here waits for one to pass but where it says so.
func (e *env) ring(o Options) *Keyring {
	e.t.Helper()
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	if o.Clock == nil {
		o.Clock = e.clock.now
	}
	o.ProcessName = e.t.Name()
	p := e.provider(aws.Options{Timeout: o.Timeout, Attempts: 1})
	r, err := New(e.store, p, o, slog.New(slog.DiscardHandler), nil)
	e.must(err)
	e.t.Cleanup(r.Close)
	return r
}

// provider is the way to KMS, as in production but for what the options say.
func (e *env) provider(o aws.Options) kms.Provider {
	e.t.Helper()
	o.Endpoint, o.STSEndpoint, o.Region, o.Credentials = e.url, e.url, e.kms.Region(), e.kms.Credentials()
	p, err := aws.New(e.t.Context(), o)
	e.must(err)
	return p
}

// seal seals a value for the org and gives it with its data key.
func (e *env) seal(r *Keyring, org, value string) ([]byte, *crypto.DataKey) {
	e.t.Helper()
	k, err := r.ForSeal(e.t.Context(), org)
	e.must(err)
	if k.Org() != org || !r.Usable(k) {
		e.t.Fatalf("got a key of %q, usable: %v", k.Org(), r.Usable(k))
	}
	sealed, err := k.Seal(nil, []byte(value), context1)
	e.must(err)
	return sealed, k
}

// opens opens a sealed value as a session does.
func opens(ctx context.Context, r *Keyring, sealed []byte) (string, error) {
	id, err := crypto.KeyID(sealed)
	if err != nil {
		return "", err
	}
	k, err := r.ForOpen(ctx, id)
	if err != nil {
		return "", err
	}
	if !r.Usable(k) {
		return "", errors.New("ForOpen gave a key that is not usable")
	}
	value, err := k.Open(nil, sealed, context1)
	return string(value), err
}

// reads fails the test unless the value opens to want.
func (e *env) reads(r *Keyring, sealed []byte, want string) {
	e.t.Helper()
	if got, err := opens(e.t.Context(), r, sealed); err != nil || got != want {
		e.t.Fatalf("got %q, %v, want %q", got, err, want)
	}
}

// code fails the test unless err is a *pgerr.Error with the code, fit to be
// shown to a user.
func (e *env) code(err error, want string) *pgerr.Error {
	e.t.Helper()
	var pe *pgerr.Error
	if !errors.As(err, &pe) || pe.Code != want {
		e.t.Fatalf("got %v, want %s", err, want)
	}
	anchors := map[string]string{pgerr.KeyUnavailable: "ps001", pgerr.KMSUnreachable: "ps002", pgerr.DoesNotOpen: "ps003", pgerr.NoKey: "ps004"}
	if pe.Message == "" || pe.Hint == "" || pe.Anchor != anchors[want] {
		e.t.Errorf("not fit for a user: %+v", pe)
	}
	return pe
}

// unreadable fails the test unless sealing for the org and opening its value
// both give the code.
func (e *env) unreadable(r *Keyring, org string, sealed []byte, code string) *pgerr.Error {
	e.t.Helper()
	_, err := r.ForSeal(e.t.Context(), org)
	e.code(err, code)
	_, err = opens(e.t.Context(), r, sealed)
	return e.code(err, code)
}

// check does a round of health checks and waits until all is done.
func (e *env) check(r *Keyring) {
	e.t.Helper()
	if err := r.round(e.t.Context()); err != nil {
		e.t.Error(err)
	}
	r.work.Wait()
}

func (e *env) health(r *Keyring, org string) OrgHealth {
	e.t.Helper()
	for _, h := range r.Health() {
		if h.Org == org {
			return h
		}
	}
	e.t.Fatalf("%s is not in %+v", org, r.Health())
	return OrgHealth{}
}

// until waits for something that another goroutine brings about.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for !ok() {
		if t.Context().Err() != nil {
			t.Fatal(what)
		}
		time.Sleep(time.Millisecond)
	}
}
