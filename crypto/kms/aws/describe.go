package aws

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/pgseal/pgseal/crypto/kms"
)

// Check implements kms.Provider by DescribeKey, and no other call.
func (p *Provider) Check(ctx context.Context, key kms.Key) (kms.KeyState, error) {
	ctx, cancel := context.WithTimeout(ctx, p.options.Timeout)
	defer cancel()
	return p.describeKey(ctx, "Check", key)
}

func (p *Provider) describeKey(ctx context.Context, op string, key kms.Key) (kms.KeyState, error) {
	client, err := p.client(op, key)
	if err != nil {
		return kms.KeyState{}, err
	}
	out, err := client.DescribeKey(ctx, &awskms.DescribeKeyInput{KeyId: &key.ARN})
	if err != nil {
		return kms.KeyState{}, classify(op, key.ARN, err)
	}
	m := out.KeyMetadata
	if m == nil || m.Arn == nil {
		return kms.KeyState{}, malformed(op, key.ARN)
	}
	state := kms.KeyState{
		ARN: *m.Arn, State: string(m.KeyState), Spec: string(m.KeySpec), Usage: string(m.KeyUsage),
		Description: aws.ToString(m.Description), MultiRegion: aws.ToBool(m.MultiRegion), Replicas: otherRegions(m),
		Rotation: kms.Rotation{MaterialID: aws.ToString(m.CurrentKeyMaterialId)},
	}
	return state, unfit(op, key.ARN, m)
}

// otherRegions gives the ARNs of a multi-Region key's other Regions: of the
// primary key first.
func otherRegions(m *types.KeyMetadata) []string {
	c := m.MultiRegionConfiguration
	if c == nil {
		return nil
	}
	var arns []string
	add := func(k types.MultiRegionKey) {
		if arn := aws.ToString(k.Arn); arn != "" && arn != *m.Arn {
			arns = append(arns, arn)
		}
	}
	if c.PrimaryKey != nil {
		add(*c.PrimaryKey)
	}
	for _, k := range c.ReplicaKeys {
		add(k)
	}
	return arns
}

// unfit tells why a key can't wrap data keys, nil when it can. A key that is
// Updating can (https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html).
func unfit(op, keyARN string, m *types.KeyMetadata) error {
	no := func(reason, format string, args ...any) error {
		return &kms.Error{Op: op, Key: keyARN, Refused: true, Reason: reason, Err: fmt.Errorf(format, args...)}
	}
	switch {
	case m.KeyState != types.KeyStateEnabled && m.KeyState != types.KeyStateUpdating:
		return no(string(m.KeyState), "the key's state is %s", m.KeyState)
	case m.KeySpec != types.KeySpecSymmetricDefault:
		return no(string(m.KeySpec), "the key's spec is %s; pgseal needs a symmetric key (%s)", m.KeySpec, types.KeySpecSymmetricDefault)
	case m.KeyUsage != types.KeyUsageTypeEncryptDecrypt:
		return no(string(m.KeyUsage), "the key's usage is %s; pgseal needs %s", m.KeyUsage, types.KeyUsageTypeEncryptDecrypt)
	}
	return nil
}

// Describe implements kms.Describer: by DescribeKey, GetKeyRotationStatus and
// ListKeyRotations. The last works within the key's own account only
// (https://docs.aws.amazon.com/kms/latest/APIReference/API_ListKeyRotations.html).
func (p *Provider) Describe(ctx context.Context, key kms.Key) (kms.KeyState, error) {
	const op = "Describe"
	ctx, cancel := context.WithTimeout(ctx, p.options.Timeout)
	defer cancel()
	state, err := p.describeKey(ctx, op, key)
	if err != nil {
		return state, err
	}
	own := key.With(state.ARN) // these calls take no alias
	if err := p.rotation(ctx, own, &state.Rotation); err != nil {
		return state, err
	}
	return state, p.lastRotation(ctx, own, &state.Rotation)
}

func (p *Provider) rotation(ctx context.Context, key kms.Key, r *kms.Rotation) error {
	const op = "Describe"
	client, err := p.client(op, key)
	if err != nil {
		return err
	}
	out, err := client.GetKeyRotationStatus(ctx, &awskms.GetKeyRotationStatusInput{KeyId: &key.ARN})
	if err != nil {
		return unlessRefused(classify(op, key.ARN, err))
	}
	r.Automatic, r.Next = out.KeyRotationEnabled, aws.ToTime(out.NextRotationDate)
	return nil
}

func (p *Provider) lastRotation(ctx context.Context, key kms.Key, r *kms.Rotation) error {
	const op = "Describe"
	client, err := p.client(op, key)
	if err != nil {
		return err
	}
	var last time.Time
	for pages := awskms.NewListKeyRotationsPaginator(client, &awskms.ListKeyRotationsInput{KeyId: &key.ARN}); pages.HasMorePages(); {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return unlessRefused(classify(op, key.ARN, err))
		}
		for _, rotation := range out.Rotations {
			if at := aws.ToTime(rotation.RotationDate); at.After(last) {
				last = at
			}
		}
	}
	r.Last = last
	return nil
}

// unlessRefused passes a refusal over: the key is known to work.
func unlessRefused(err *kms.Error) error {
	if err.Refused {
		return nil
	}
	return err
}
