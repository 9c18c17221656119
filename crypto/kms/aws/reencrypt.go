package aws

import (
	"context"
	"fmt"

	awskms "github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/pgseal/pgseal/crypto/kms"
)

// ReEncrypt implements kms.ReEncrypter by the call of that name, where both keys
// are in one Region and asked as one caller. It needs kms:ReEncryptFrom on the one
// key and kms:ReEncryptTo on the other
// (https://docs.aws.amazon.com/kms/latest/APIReference/API_ReEncrypt.html).
//
// A refusal is ErrReEncrypt too: it does not tell which of the two keys it is
// about, nor whether the permissions of the one call are missing only. Decrypt
// and Encrypt tell.
func (p *Provider) ReEncrypt(ctx context.Context, from kms.Key, wrapped []byte, to kms.Key, ec map[string]string) (kms.Wrapped, error) {
	const op = "ReEncrypt"
	source, err := parse(op, from.ARN)
	if err != nil {
		return kms.Wrapped{}, err
	}
	target, err := parse(op, to.ARN)
	if err != nil {
		return kms.Wrapped{}, err
	}
	switch {
	case source.Partition != target.Partition || source.Region != target.Region:
		return kms.Wrapped{}, fmt.Errorf("%w: from %s to %s: they are in two Regions", kms.ErrReEncrypt, from.ARN, to.ARN)
	case from.RoleARN != to.RoleARN || from.ExternalID != to.ExternalID:
		return kms.Wrapped{}, fmt.Errorf("%w: from %s to %s: they are used with two roles", kms.ErrReEncrypt, from.ARN, to.ARN)
	}
	if err := checkWrapped(op, from.ARN, wrapped); err != nil {
		return kms.Wrapped{}, err
	}
	client, err := p.client(op, to)
	if err != nil {
		return kms.Wrapped{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, p.options.Timeout)
	defer cancel()
	out, err := client.ReEncrypt(ctx, &awskms.ReEncryptInput{
		CiphertextBlob: wrapped, SourceKeyId: &from.ARN, DestinationKeyId: &to.ARN,
		SourceEncryptionContext: ec, DestinationEncryptionContext: ec,
	})
	if err != nil {
		e := classify(op, from.ARN, err)
		if e.Refused {
			return kms.Wrapped{}, fmt.Errorf("%w: %w", kms.ErrReEncrypt, e)
		}
		return kms.Wrapped{}, e
	}
	if len(out.CiphertextBlob) == 0 || out.KeyId == nil {
		return kms.Wrapped{}, malformed(op, to.ARN)
	}
	return kms.Wrapped{Blob: out.CiphertextBlob, KeyARN: *out.KeyId}, nil
}
