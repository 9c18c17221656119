// Package vault is the transit secrets engine of HashiCorp Vault and of OpenBao
// as a kms.Provider, through Vault's API client.
//
// A key is named vault:MOUNT/NAME, such as vault:transit/acme; a namespace may
// stand before the mount (vault:team/transit/acme), as in Vault's own paths. It
// must be of an authenticated 256-bit type and not convergent.
//
// A data key is made here, from crypto/rand, and sent to transit/encrypt:
// transit/datakey takes no associated data, which is what binds a wrap to its
// encryption context (https://developer.hashicorp.com/vault/api-docs/secret/transit).
// The context also goes along as such, so that keys made with derived=true work.
// pgseal makes no key: transit/encrypt would make one that is missing, for a token
// that may, so each request asks for a type that there is not, which counts only
// when a key is to be made.
//
// Policy gives the policy that pgseal needs for a key.
//
// Files: vault.go has the client, transit.go the calls, name.go the keys' names,
// login.go the token, classify.go which answers count as a refusal, as silence or
// as a damaged wrap.
package vault

import (
	"fmt"
	"net/http"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/pgseal/pgseal/crypto/kms"
)

// Options say how Vault is reached. Empty fields are what Vault's own client
// finds in the environment: VAULT_ADDR, VAULT_NAMESPACE, VAULT_CACERT, VAULT_TOKEN …
type Options struct {
	Address   string // https://vault.internal:8200
	Namespace string
	CA        string        // file with root certificates, PEM
	Timeout   time.Duration // of one call with its retries; 5 s when zero

	Login Login
}

const (
	defaultTimeout = 5 * time.Second
	// Two retries, on 5xx, 429 and connections that fail. Waits are jittered by
	// the client, and short enough for three attempts within a call's timeout.
	maxRetries              = 2
	minRetryWait            = 100 * time.Millisecond
	maxRetryWait            = time.Second
	maxAnswer         int64 = 1 << 20 // bytes
	associatedDataTag       = "pgseal vault wrap 1"
)

// Provider is one Vault or OpenBao.
type Provider struct {
	client  *api.Client
	login   *session
	timeout time.Duration
}

var _ kms.Provider = (*Provider)(nil)

// New makes the client. It makes no call.
func New(o Options) (*Provider, error) {
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	client, err := newClient(o)
	if err != nil {
		return nil, err
	}
	// Logging in is by a client of its own, which shows no token.
	loginClient, err := newClient(o)
	if err != nil {
		return nil, err
	}
	login, err := newSession(o.Login, client, loginClient)
	if err != nil {
		return nil, err
	}
	return &Provider{client: client, login: login, timeout: o.Timeout}, nil
}

func newClient(o Options) (*api.Client, error) {
	c := api.DefaultConfig()
	if c.Error != nil {
		return nil, fmt.Errorf("environment: %w", c.Error)
	}
	if t, ok := c.HttpClient.Transport.(*http.Transport); ok && t.TLSClientConfig.InsecureSkipVerify {
		return nil, fmt.Errorf("%s is set: data keys do not go to a server that is not verified: name the certificates that verify it", api.EnvVaultSkipVerify)
	}
	if o.Address != "" {
		c.Address, c.AgentAddress = o.Address, ""
	}
	if o.CA != "" {
		if err := c.ConfigureTLS(&api.TLSConfig{CACert: o.CA}); err != nil {
			return nil, fmt.Errorf("certificates of %s: %w", o.CA, err)
		}
	}
	c.MaxRetries, c.MinRetryWait, c.MaxRetryWait = maxRetries, minRetryWait, maxRetryWait
	c.Timeout = 0 // the calls' contexts have theirs; the client's would end before the answer is read
	client, err := api.NewClient(c)
	if err != nil {
		return nil, err
	}
	if o.Namespace != "" {
		client.SetNamespace(o.Namespace)
	}
	client.ClearToken()
	return client, nil
}
