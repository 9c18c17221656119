// Package aws is AWS KMS as a kms.Provider, through aws-sdk-go-v2.
//
// Calls go to the Region that the key's ARN names, with pgseal's own credentials
// (the SDK's default chain, or a profile), or with those of the role that the org's
// key names. Retries, with backoff and jitter, are the SDK's standard retryer's. The
// SDK's logging is off. What the SDK makes of a data key on its way (the JSON of a
// request or an answer) can't be overwritten.
//
// # What counts as a no
//
// KMS's refusals of the key do, as classify.go lists them. So does STS denying a
// role of the org's, whoever's policy that comes from: an organisation may withdraw
// by taking its trust away. It is seen when the role is assumed anew, every
// RoleRenewal; a key's state or policy is seen by the next call. STS not answering,
// and any trouble with pgseal's own credentials, is silence.
//
// Files: aws.go has the options and the calls, clients.go the clients, role.go the
// roles, describe.go the looks at a key, reencrypt.go ReEncrypt, arn.go keys' ARNs,
// rolearn.go roles', classify.go which errors count as a refusal and which as silence.
package aws

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/internal/secret"
)

// Options say how KMS is reached. The zero value is the SDK's default chain.
type Options struct {
	// Region is for what no key's ARN tells: how pgseal gets its own credentials.
	Region      string
	Endpoint    string // a URL in place of AWS's own endpoints of KMS, in every Region
	STSEndpoint string // the same for STS, for keys with a role
	// FIPS: AWS's FIPS endpoints. STS has fewer of them than KMS
	// (https://aws.amazon.com/compliance/fips/); elsewhere a role needs STSEndpoint.
	FIPS    bool
	Proxy   secret.Text   // URL of an HTTP proxy, in place of what the environment says
	Profile string        // in the shared configuration files
	Timeout time.Duration // of one call with its retries; 5 s when zero

	// Attempts is how often a call is tried at most; 3 when zero.
	Attempts int

	// RoleRenewal is how often an org's role is assumed anew, and so how soon it is
	// seen that pgseal is no longer trusted with it; 1 min when zero.
	RoleRenewal time.Duration

	// Credentials replace those of the default chain.
	Credentials aws.CredentialsProvider

	maxBackoff time.Duration // between two attempts; shorter in tests
}

const (
	defaultTimeout  = 5 * time.Second
	defaultAttempts = 3
	defaultRenewal  = time.Minute
	// defaultBackoff keeps several attempts within a call's timeout.
	defaultBackoff = time.Second
)

// Provider is AWS KMS, in as many Regions as the keys' ARNs name.
type Provider struct {
	config  aws.Config
	options Options

	mu      sync.Mutex
	clients map[caller]*awskms.Client
}

var (
	_ kms.Provider    = (*Provider)(nil)
	_ kms.ReEncrypter = (*Provider)(nil)
	_ kms.Describer   = (*Provider)(nil)
)

// New reads the SDK's configuration. It makes no call to KMS.
func New(ctx context.Context, o Options) (*Provider, error) {
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Attempts <= 0 {
		o.Attempts = defaultAttempts
	}
	if o.RoleRenewal <= 0 {
		o.RoleRenewal = defaultRenewal
	}
	if o.maxBackoff <= 0 {
		o.maxBackoff = defaultBackoff
	}
	client, err := httpClient(o.Proxy)
	if err != nil {
		return nil, fmt.Errorf("aws configuration: %w", err)
	}
	load := []func(*config.LoadOptions) error{
		config.WithHTTPClient(client),
		config.WithRetryer(func() aws.Retryer {
			return retry.NewStandard(func(s *retry.StandardOptions) {
				s.MaxAttempts = o.Attempts
				s.MaxBackoff = o.maxBackoff
			})
		}),
	}
	if o.Region != "" {
		load = append(load, config.WithRegion(o.Region))
	}
	if o.Profile != "" {
		load = append(load, config.WithSharedConfigProfile(o.Profile))
	}
	if o.FIPS {
		if o.Endpoint != "" {
			return nil, errors.New("aws configuration: FIPS, but the endpoint is given, which is used as it is: take one of the two")
		}
		load = append(load, config.WithUseFIPSEndpoint(aws.FIPSEndpointStateEnabled))
	}
	if o.Credentials != nil {
		load = append(load, config.WithCredentialsProvider(o.Credentials))
	}
	c, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, fmt.Errorf("aws configuration: %w", err)
	}
	c.ClientLogMode = 0 // requests and answers hold keys
	return &Provider{config: c, options: o, clients: map[caller]*awskms.Client{}}, nil
}

// GenerateDataKey implements kms.Provider by the call of that name.
func (p *Provider) GenerateDataKey(ctx context.Context, key kms.Key, ec map[string]string) (kms.Generated, error) {
	const op = "GenerateDataKey"
	client, err := p.client(op, key)
	if err != nil {
		return kms.Generated{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, p.options.Timeout)
	defer cancel()
	out, err := client.GenerateDataKey(ctx, &awskms.GenerateDataKeyInput{
		KeyId: &key.ARN, KeySpec: types.DataKeySpecAes256, EncryptionContext: ec,
	})
	if err != nil {
		return kms.Generated{}, classify(op, key.ARN, err)
	}
	if len(out.Plaintext) != 32 || len(out.CiphertextBlob) == 0 || out.KeyId == nil {
		clear(out.Plaintext)
		return kms.Generated{}, malformed(op, key.ARN)
	}
	return kms.Generated{Plaintext: out.Plaintext, Wrapped: out.CiphertextBlob, KeyARN: *out.KeyId}, nil
}

// Encrypt implements kms.Provider by the call of that name.
func (p *Provider) Encrypt(ctx context.Context, key kms.Key, plaintext secret.Bytes, ec map[string]string) (kms.Wrapped, error) {
	const op = "Encrypt"
	client, err := p.client(op, key)
	if err != nil {
		return kms.Wrapped{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, p.options.Timeout)
	defer cancel()
	out, err := client.Encrypt(ctx, &awskms.EncryptInput{KeyId: &key.ARN, Plaintext: plaintext, EncryptionContext: ec})
	if err != nil {
		return kms.Wrapped{}, classify(op, key.ARN, err)
	}
	if len(out.CiphertextBlob) == 0 || out.KeyId == nil {
		return kms.Wrapped{}, malformed(op, key.ARN)
	}
	return kms.Wrapped{Blob: out.CiphertextBlob, KeyARN: *out.KeyId}, nil
}

// Decrypt implements kms.Provider by the call of that name. It names the key,
// so that a wrapped key under another one (IncorrectKeyException) is refused.
func (p *Provider) Decrypt(ctx context.Context, key kms.Key, wrapped []byte, ec map[string]string) (secret.Bytes, error) {
	const op = "Decrypt"
	client, err := p.client(op, key)
	if err != nil {
		return nil, err
	}
	if err := checkWrapped(op, key.ARN, wrapped); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, p.options.Timeout)
	defer cancel()
	out, err := client.Decrypt(ctx, &awskms.DecryptInput{KeyId: &key.ARN, CiphertextBlob: wrapped, EncryptionContext: ec})
	if err != nil {
		return nil, classify(op, key.ARN, err)
	}
	if len(out.Plaintext) == 0 {
		return nil, malformed(op, key.ARN)
	}
	return out.Plaintext, nil
}

// maxCiphertext is the longest CiphertextBlob, in bytes
// (https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html). KMS
// answers a longer or empty one with ValidationException, as it would a bad key,
// although it is the wrap that is at fault.
const maxCiphertext = 6144

func checkWrapped(op, keyARN string, wrapped []byte) error {
	if len(wrapped) == 0 || len(wrapped) > maxCiphertext {
		return &kms.Error{Op: op, Key: keyARN, Damaged: true, Reason: "InvalidCiphertextException",
			Err: fmt.Errorf("a wrapped key of %d bytes", len(wrapped))}
	}
	return nil
}

func malformed(op, keyARN string) *kms.Error {
	return &kms.Error{Op: op, Key: keyARN, Reason: kms.ReasonNetwork, Err: errors.New("the answer lacks what was asked for")}
}
