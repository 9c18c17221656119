package rewrap

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/crypto/kms/local"
	"github.com/pgseal/pgseal/internal/kmsserver"
	"github.com/pgseal/pgseal/internal/secret"
)

// TestElsewhere: the keys are of two accounts or Regions, or pgseal lacks the
// permission, so that KMS can't wrap anew by itself.
func TestElsewhere(t *testing.T) {
	for name, o := range map[string]kmsserver.KeyOptions{
		"account":    {Account: "444455556666"},
		"region":     {Region: "us-east-1"},
		"permission": {},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			o.Policy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":["kms:DescribeKey","kms:Encrypt","kms:Decrypt"],"Resource":"*"}]}`
			e.next = e.create(o)
			e.mint(1, 10, e.old)
			e.replace(kms.Key{ARN: e.next})
			e.done(10)
			if n := e.kms.Calls("Encrypt", e.next); n != 10 {
				t.Errorf("%d Encrypts", n)
			}
			if n := e.kms.Calls("ReEncrypt", ""); n > defaultParallel {
				t.Errorf("ReEncrypt was tried %d times in vain", n)
			}
			e.complete()
			e.must(e.kms.Delete(e.old))
			for id := range e.keys {
				e.opens(id, e.row(id).Wrapped, e.next)
			}
		})
	}
}

// TestFromKeyFile: from a key in a file to one in AWS KMS.
func TestFromKeyFile(t *testing.T) {
	e := newEnv(t)
	file := filepath.Join(t.TempDir(), "keys.json")
	arn, err := local.AddKey(file, "acme", "")
	e.must(err)
	fromFile, err := local.New(file)
	e.must(err)
	inAWS := e.provider
	e.provider, err = kms.NewRouter(
		kms.Route{Name: "aws", Prefixes: []string{"arn:"}, Provider: inAWS},
		kms.Route{Name: "local", Prefixes: []string{local.Prefix}, Provider: fromFile})
	e.must(err)
	e.sql("DELETE FROM pgseal.org_keys")
	e.add(arn)
	e.mint(1, 6, e.old)
	for id, key := range e.keys {
		w, err := fromFile.Encrypt(t.Context(), kms.Key{ARN: arn}, key, kms.EncryptionContext("acme", id))
		e.must(err)
		e.sql("UPDATE pgseal.data_keys SET wrapped = $2, key_arn = $3 WHERE id = $1", int64(id), w.Blob, w.KeyARN)
	}
	e.replace(kms.Key{ARN: e.next})
	e.done(6)
	e.complete()
	e.must(os.Remove(file))
	for id := range e.keys {
		e.opens(id, e.row(id).Wrapped, e.next)
	}
}

// TestOtherRole: the old key was used by a role, the new one is not. Each call goes
// its own key's way.
func TestOtherRole(t *testing.T) {
	e := newEnv(t)
	e.mint(1, 3, e.old)
	e.sql("UPDATE pgseal.org_keys SET role_arn = 'arn:aws:iam::111122223333:role/acme', external_id = 'x'")
	e.replace(kms.Key{ARN: e.next})
	var ways ways
	e.provider, ways.Provider = &ways, e.provider
	e.done(3)
	if len(ways.roles) != 2 || ways.roles[e.old] != "arn:aws:iam::111122223333:role/acme" || ways.roles[e.next] != "" {
		t.Errorf("%q", ways.roles)
	}
}

// ways notes by which role keys are asked, and asks them without: the KMS of these
// tests has no STS beside it.
type ways struct {
	kms.Provider
	mu    sync.Mutex
	roles map[string]string
}

func (w *ways) note(key *kms.Key) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.roles == nil {
		w.roles = map[string]string{}
	}
	w.roles[key.ARN] = key.RoleARN
	key.RoleARN, key.ExternalID = "", ""
}

func (w *ways) Encrypt(ctx context.Context, key kms.Key, plaintext secret.Bytes, ec map[string]string) (kms.Wrapped, error) {
	w.note(&key)
	return w.Provider.Encrypt(ctx, key, plaintext, ec)
}

func (w *ways) Decrypt(ctx context.Context, key kms.Key, wrapped []byte, ec map[string]string) (secret.Bytes, error) {
	w.note(&key)
	return w.Provider.Decrypt(ctx, key, wrapped, ec)
}
