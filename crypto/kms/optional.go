package kms

import (
	"context"
	"errors"
)

// ReEncrypter is a Provider that can wrap a data key anew without showing it.
type ReEncrypter interface {
	// ReEncrypt unwraps with one key and wraps with the other, within the KMS.
	// ErrReEncrypt when the two keys are not of one KMS that can do that, or it
	// is not allowed to; Decrypt and Encrypt may do.
	ReEncrypt(ctx context.Context, from Key, wrapped []byte, to Key, ec map[string]string) (Wrapped, error)
}

// ErrReEncrypt: the KMS can't wrap this data key anew by itself.
var ErrReEncrypt = errors.New("kms: not to be re-encrypted in one call")

// ReEncrypt does so with a Provider that is a ReEncrypter; ErrReEncrypt else.
func ReEncrypt(ctx context.Context, p Provider, from Key, wrapped []byte, to Key, ec map[string]string) (Wrapped, error) {
	if r, ok := p.(ReEncrypter); ok {
		return r.ReEncrypt(ctx, from, wrapped, to, ec)
	}
	return Wrapped{}, ErrReEncrypt
}

// Describer is a Provider that can tell more about a key than Check does, for
// people to read, at the price of more calls.
type Describer interface {
	// Describe is Check, with the key's rotation. What pgseal may not ask stays
	// empty and is no error.
	Describe(ctx context.Context, key Key) (KeyState, error)
}

// Describe does so with a Provider that is a Describer; with another it is Check.
func Describe(ctx context.Context, p Provider, key Key) (KeyState, error) {
	if d, ok := p.(Describer); ok {
		return d.Describe(ctx, key)
	}
	return p.Check(ctx, key)
}
