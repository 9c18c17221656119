// Package aws is AWS KMS as a kms.Provider, through aws-sdk-go-v2.
//
// Retries, with backoff and jitter, are the SDK's standard retryer's. Which
// errors count as a refusal and which as silence is in classify.go; both follow
// https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html#API_Decrypt_Errors
// and the common errors behind it.
package aws

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/internal/secret"
)

// Options say how KMS is reached. The zero value is the SDK's default chain.
type Options struct {
	Region   string        // for keys that are not named by an ARN; an ARN names its own
	Endpoint string        // a URL in place of AWS's own endpoints
	Profile  string        // in the shared configuration files
	Timeout  time.Duration // of one call with its retries; 5 s when zero

	// Attempts is how often a call is tried at most; 3 when zero.
	Attempts int

	// Credentials replace those of the default chain.
	Credentials aws.CredentialsProvider
}

const (
	defaultTimeout  = 5 * time.Second
	defaultAttempts = 3
	// maxBackoff keeps several attempts within a call's timeout.
	maxBackoff = time.Second
)

// Provider is AWS KMS, in as many regions as the keys' ARNs name.
type Provider struct {
	config  aws.Config
	options Options

	mu      sync.Mutex
	clients map[string]*awskms.Client // by region
}

var _ kms.Provider = (*Provider)(nil)

// New reads the SDK's configuration. It makes no call to KMS.
func New(ctx context.Context, o Options) (*Provider, error) {
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Attempts <= 0 {
		o.Attempts = defaultAttempts
	}
	load := []func(*config.LoadOptions) error{
		config.WithRetryer(func() aws.Retryer {
			return retry.NewStandard(func(s *retry.StandardOptions) {
				s.MaxAttempts = o.Attempts
				s.MaxBackoff = maxBackoff
			})
		}),
	}
	if o.Region != "" {
		load = append(load, config.WithRegion(o.Region))
	}
	if o.Profile != "" {
		load = append(load, config.WithSharedConfigProfile(o.Profile))
	}
	if o.Credentials != nil {
		load = append(load, config.WithCredentialsProvider(o.Credentials))
	}
	c, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, fmt.Errorf("aws configuration: %w", err)
	}
	return &Provider{config: c, options: o, clients: map[string]*awskms.Client{}}, nil
}

// client is the client of the region that the key's ARN names, else of the
// configured one.
func (p *Provider) client(op, keyARN string) (*awskms.Client, error) {
	if keyARN == "" { // Decrypt without a key would take the one that the wrap names
		return nil, &kms.Error{Op: op, Key: keyARN, Refused: true, Reason: "InvalidArnException", Err: errors.New("no key is named")}
	}
	region := p.config.Region
	if arn.IsARN(keyARN) {
		parsed, err := arn.Parse(keyARN)
		if err != nil || parsed.Service != "kms" || parsed.Region == "" {
			return nil, &kms.Error{Op: op, Key: keyARN, Refused: true, Reason: "InvalidArnException", Err: errors.New("not the ARN of a KMS key")}
		}
		region = parsed.Region
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.clients[region]; c != nil {
		return c, nil
	}
	c := awskms.NewFromConfig(p.config, func(o *awskms.Options) {
		o.Region = region
		if p.options.Endpoint != "" {
			o.BaseEndpoint = &p.options.Endpoint
		}
	})
	p.clients[region] = c
	return c, nil
}

// GenerateDataKey implements kms.Provider by the call of that name.
func (p *Provider) GenerateDataKey(ctx context.Context, key kms.Key, ec map[string]string) (kms.Generated, error) {
	const op = "GenerateDataKey"
	client, err := p.client(op, key.ARN)
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
	client, err := p.client(op, key.ARN)
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

// maxCiphertext is the longest CiphertextBlob, in bytes
// (https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html). KMS
// answers a longer or empty one with ValidationException, as it would a bad key,
// although it is the wrap that is at fault.
const maxCiphertext = 6144

// Decrypt implements kms.Provider by the call of that name. It names the key,
// so that a wrapped key under another one (IncorrectKeyException) is refused.
func (p *Provider) Decrypt(ctx context.Context, key kms.Key, wrapped []byte, ec map[string]string) (secret.Bytes, error) {
	const op = "Decrypt"
	client, err := p.client(op, key.ARN)
	if err != nil {
		return nil, err
	}
	if len(wrapped) == 0 || len(wrapped) > maxCiphertext {
		return nil, &kms.Error{Op: op, Key: key.ARN, Damaged: true, Reason: "InvalidCiphertextException",
			Err: fmt.Errorf("a wrapped key of %d bytes", len(wrapped))}
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

// Check implements kms.Provider by DescribeKey.
func (p *Provider) Check(ctx context.Context, key kms.Key) (kms.KeyState, error) {
	const op = "Check"
	client, err := p.client(op, key.ARN)
	if err != nil {
		return kms.KeyState{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, p.options.Timeout)
	defer cancel()
	out, err := client.DescribeKey(ctx, &awskms.DescribeKeyInput{KeyId: &key.ARN})
	if err != nil {
		return kms.KeyState{}, classify(op, key.ARN, err)
	}
	if out.KeyMetadata == nil {
		return kms.KeyState{}, malformed(op, key.ARN)
	}
	m := out.KeyMetadata
	state := kms.KeyState{
		ARN: aws.ToString(m.Arn), State: string(m.KeyState), Spec: string(m.KeySpec), Usage: string(m.KeyUsage),
		Description: aws.ToString(m.Description), MultiRegion: aws.ToBool(m.MultiRegion),
	}
	return state, unfit(op, key.ARN, m)
}

// unfit tells why a key can't wrap data keys, nil when it can. A key that is
// Updating can (https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html).
func unfit(op, keyARN string, m *types.KeyMetadata) error {
	switch {
	case m.KeyState != types.KeyStateEnabled && m.KeyState != types.KeyStateUpdating:
		return &kms.Error{Op: op, Key: keyARN, Refused: true, Reason: string(m.KeyState),
			Err: fmt.Errorf("the key's state is %s", m.KeyState)}
	case m.KeySpec != types.KeySpecSymmetricDefault:
		return &kms.Error{Op: op, Key: keyARN, Refused: true, Reason: string(m.KeySpec),
			Err: fmt.Errorf("the key's spec is %s; pgseal needs a symmetric key (%s)", m.KeySpec, types.KeySpecSymmetricDefault)}
	case m.KeyUsage != types.KeyUsageTypeEncryptDecrypt:
		return &kms.Error{Op: op, Key: keyARN, Refused: true, Reason: string(m.KeyUsage),
			Err: fmt.Errorf("the key's usage is %s; pgseal needs %s", m.KeyUsage, types.KeyUsageTypeEncryptDecrypt)}
	}
	return nil
}

func malformed(op, keyARN string) *kms.Error {
	return &kms.Error{Op: op, Key: keyARN, Reason: kms.ReasonNetwork, Err: errors.New("the answer lacks what was asked for")}
}
