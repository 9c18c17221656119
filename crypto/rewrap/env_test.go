package rewrap

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/crypto"
	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/crypto/kms/aws"
	"github.com/pgseal/pgseal/internal/kmsserver"
	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/secret"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

var tester = keystore.Actor{Name: "tester", Process: "rewrap_test"}

// env is a keystore in a real Postgres and a KMS over HTTP. The org acme has a key,
// old, and is to get another one, next.
type env struct {
	t         *testing.T
	kms       *kmsserver.Server
	provider  kms.Provider
	dsn       string
	store     *keystore.Store
	old, next string
	keys      map[uint64]secret.Bytes // data keys in the clear, by id
}

func newEnv(t *testing.T) *env {
	t.Helper()
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
	e := &env{t: t, kms: kmsserver.New(kmsserver.Options{}), dsn: pgtest.Database(t), keys: map[uint64]secret.Bytes{}}
	url, err := e.kms.Listen("127.0.0.1:0")
	e.must(err)
	t.Cleanup(func() { e.must(e.kms.Close()) })
	e.provider, err = aws.New(t.Context(), aws.Options{
		Endpoint: url, Region: e.kms.Region(), Credentials: e.kms.Credentials(), Timeout: time.Minute, Attempts: 1,
	})
	e.must(err)
	_, err = keystore.Migrate(t.Context(), e.dsn, keystore.Tables)
	e.must(err)
	e.store, err = keystore.Open(t.Context(), e.dsn)
	e.must(err)
	t.Cleanup(e.store.Close)
	e.old, e.next = e.create(kmsserver.KeyOptions{}), e.create(kmsserver.KeyOptions{})
	e.add(e.old)
	return e
}

func (e *env) must(err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatal(err)
	}
}

func (e *env) create(o kmsserver.KeyOptions) string {
	e.t.Helper()
	arn, err := e.kms.CreateKey(o)
	e.must(err)
	return arn
}

func (e *env) add(arn string) {
	e.t.Helper()
	e.must(e.store.AddOrgKey(e.t.Context(), keystore.OrgKey{Org: "acme", Name: "acme", Key: kms.Key{ARN: arn}}, tester))
}

func (e *env) replace(to kms.Key) {
	e.t.Helper()
	e.must(e.store.ReplaceOrgKey(e.t.Context(), "acme", keystore.Replacement{Key: to}, tester))
}

// mint stores n data keys of acme, with ids from first on, wrapped under the key.
func (e *env) mint(first, n int, arn string) {
	e.t.Helper()
	rows := make([][]any, n)
	for i := range rows {
		id := uint64(first + i)
		key := make(secret.Bytes, crypto.KeySize)
		_, _ = rand.Read(key) // never fails
		blob, err := e.kms.Wrap(arn, key, kms.EncryptionContext("acme", id))
		e.must(err)
		commitment := crypto.Commitment(key, id, "acme")
		e.keys[id], rows[i] = key, []any{int64(id), "acme", blob, arn, commitment[:], "rewrap_test"}
	}
	conn, err := pgx.Connect(e.t.Context(), e.dsn)
	e.must(err)
	_, err = conn.CopyFrom(e.t.Context(), pgx.Identifier{"pgseal", "data_keys"},
		[]string{"id", "org", "wrapped", "key_arn", "commitment", "minted_by"}, pgx.CopyFromRows(rows))
	e.must(err)
	e.must(conn.Close(e.t.Context()))
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

// row reads a data key's row.
func (e *env) row(id uint64) keystore.DataKey {
	e.t.Helper()
	row, err := e.store.DataKey(e.t.Context(), id)
	e.must(err)
	return row
}

// opens fails the test unless the blob is the data key, wrapped under arn.
func (e *env) opens(id uint64, blob []byte, arn string) {
	e.t.Helper()
	key, err := e.provider.Decrypt(e.t.Context(), kms.Key{ARN: arn}, blob, kms.EncryptionContext("acme", id))
	e.must(err)
	if string(key) != string(e.keys[id]) {
		e.t.Fatalf("data key %d unwraps to another one", id)
	}
}

// arns are what wraps under the org's present key are known by.
func (e *env) arns() []string {
	e.t.Helper()
	k, err := e.store.OrgKey(e.t.Context(), "acme")
	e.must(err)
	target, err := Resolve(e.t.Context(), e.provider, k.Key)
	e.must(err)
	return target.ARNs
}

// wrapped tells how many of acme's data keys are under its present key.
func (e *env) wrapped() int {
	e.t.Helper()
	c, err := e.store.Counts(e.t.Context(), "acme", e.arns())
	e.must(err)
	return c.Wrapped
}

// run runs, with little patience for a KMS that does not answer.
func (e *env) run(ctx context.Context, o Options) (Progress, error) {
	if o.Patience == 0 {
		o.Patience = time.Minute
	}
	o.By = e.t.Name()
	return Run(ctx, e.store, e.provider, "acme", o)
}

// done runs, and fails the test unless all is wrapped then.
func (e *env) done(want int) {
	e.t.Helper()
	p, err := e.run(e.t.Context(), Options{})
	if err != nil || p != (Progress{DataKeys: want, Wrapped: want}) {
		e.t.Fatalf("%+v, %v, want %d data keys", p, err, want)
	}
}

// left runs, and fails the test unless it comes to its end and leaves something.
func (e *env) left() (Progress, *LeftError) {
	e.t.Helper()
	p, err := e.run(e.t.Context(), Options{})
	var left *LeftError
	if !errors.As(err, &left) {
		e.t.Fatalf("%+v, %v, want data keys that are left", p, err)
	}
	return p, left
}

func (e *env) complete() {
	e.t.Helper()
	_, err := e.store.CompleteReplacement(e.t.Context(), "acme", e.arns(), tester)
	e.must(err)
}
