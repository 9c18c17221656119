package gocloud

import (
	"context"
	"fmt"
	"regexp"
	"sync"
	"time"

	cloudkms "cloud.google.com/go/kms/apiv1"
	"gocloud.dev/gcp"
	"gocloud.dev/secrets"
	"gocloud.dev/secrets/azurekeyvault"
	"gocloud.dev/secrets/gcpkms"
)

// The prefixes of keys' names, which are gocloud.dev's URLs.
const (
	PrefixGCP   = "gcpkms://"
	PrefixAzure = "azurekeyvault://"
)

var (
	gcpName   = regexp.MustCompile(`^gcpkms://(projects/[\w.:-]+/locations/[\w-]+/keyRings/[\w-]+/cryptoKeys/[\w-]+)$`)
	azureName = regexp.MustCompile(`^azurekeyvault://([a-zA-Z0-9-]+\.vault\.(?:azure\.net|azure\.cn|usgovcloudapi\.net)/keys/[a-zA-Z0-9-]+/[a-zA-Z0-9]+)$`)
)

// CheckGCP tells what is wrong with the name of a key of Cloud KMS.
func CheckGCP(name string) error {
	if !gcpName.MatchString(name) {
		return fmt.Errorf("%q is not a key of Google Cloud KMS: it looks like %sprojects/PROJECT/locations/LOCATION/keyRings/RING/cryptoKeys/KEY", name, PrefixGCP)
	}
	return nil
}

// CheckAzure tells what is wrong with the name of a key of Key Vault. The version
// is part of it: Key Vault decrypts with the version that is named, and without
// one by the latest, which has not wrapped what an earlier one has.
func CheckAzure(name string) error {
	if !azureName.MatchString(name) {
		return fmt.Errorf("%q is not a key of Azure Key Vault with its version: it looks like %sVAULT.vault.azure.net/keys/KEY/VERSION", name, PrefixAzure)
	}
	return nil
}

// NewGCP gives the keys of Google Cloud KMS. Credentials are Google's application
// default ones. timeout is that of one call; 5 s when zero. It makes no call.
func NewGCP(timeout time.Duration) *Provider {
	client := new(gcpClient)
	return newProvider(timeout, CheckGCP, func(ctx context.Context, name string) (*secrets.Keeper, error) {
		c, err := client.get(ctx)
		if err != nil {
			return nil, err
		}
		return gcpkms.OpenKeeper(c, gcpName.FindStringSubmatch(name)[1], nil), nil
	})
}

// gcpClient is made when it is first needed, and tried again until that works:
// gocloud.dev's own opener remembers a failure for ever.
type gcpClient struct {
	mu     sync.Mutex
	client *cloudkms.KeyManagementClient
}

func (g *gcpClient) get(ctx context.Context) (*cloudkms.KeyManagementClient, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.client != nil {
		return g.client, nil
	}
	ctx = context.WithoutCancel(ctx) // tokens are fetched by it later
	credentials, err := gcp.DefaultCredentials(ctx)
	if err != nil {
		return nil, err
	}
	client, _, err := gcpkms.Dial(ctx, gcp.CredentialsTokenSource(credentials))
	if err != nil {
		return nil, err
	}
	g.client = client
	return client, nil
}

// NewAzure gives the keys of Azure Key Vault, used by RSA-OAEP-256. Credentials
// are those of Azure's default chain. timeout is that of one call; 5 s when zero.
// It makes no call.
func NewAzure(timeout time.Duration) *Provider {
	return newProvider(timeout, CheckAzure, func(_ context.Context, name string) (*secrets.Keeper, error) {
		return azurekeyvault.OpenKeeper(azurekeyvault.DefaultClientMaker, "https://"+azureName.FindStringSubmatch(name)[1], nil)
	})
}
