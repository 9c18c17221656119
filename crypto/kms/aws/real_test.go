package aws

import (
	"os"
	"testing"
	"time"

	"github.com/pgseal/pgseal/crypto/kms"
)

// TestAWS runs against AWS itself, with the credentials of the environment, when
// PGSEAL_TEST_KMS_KEY names a symmetric key or an alias there. It makes some dozen
// calls and changes nothing. PGSEAL_TEST_KMS_REPLICA names another Region of the
// same multi-Region key, PGSEAL_TEST_KMS_ROLE and PGSEAL_TEST_KMS_EXTERNAL_ID the
// role to use the key with.
func TestAWS(t *testing.T) {
	arn := os.Getenv("PGSEAL_TEST_KMS_KEY")
	if arn == "" {
		t.Skip("PGSEAL_TEST_KMS_KEY names no key of AWS KMS")
	}
	key := kms.Key{ARN: arn, RoleARN: os.Getenv("PGSEAL_TEST_KMS_ROLE"), ExternalID: os.Getenv("PGSEAL_TEST_KMS_EXTERNAL_ID")}
	p, err := New(t.Context(), Options{Timeout: time.Minute})
	must(t, err)
	roundTripWith(t, p, key)
	state, err := p.Describe(t.Context(), key)
	must(t, err)
	if state.ARN == "" || state.Rotation.MaterialID == "" {
		t.Errorf("%+v", state)
	}
	reEncrypts(t, p, key, key)
	missing := key
	missing.ARN = state.ARN[:len(state.ARN)-4] + "0000"
	if _, err := p.Check(t.Context(), missing); !kms.AsError(err).Refused {
		t.Errorf("a key that is not there: %v", err)
	}
	if replica := os.Getenv("PGSEAL_TEST_KMS_REPLICA"); replica != "" {
		other := key
		other.ARN = replica
		roundTripWith(t, p, other)
		opensElsewhere(t, p, key, other)
		opensElsewhere(t, p, other, key)
	}
}
