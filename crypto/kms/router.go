package kms

import (
	"context"
	"fmt"
	"strings"

	"github.com/pgseal/pgseal/internal/secret"
)

// Route is a provider and the prefixes that its keys' names begin with.
type Route struct {
	Name     string // of the provider, for messages: aws
	Prefixes []string
	Provider Provider
}

// Router is several providers at once, told apart by how a key's name begins, so
// that an org can go from one to another. It is immutable.
type Router struct{ routes []Route }

var (
	_ Provider    = (*Router)(nil)
	_ ReEncrypter = (*Router)(nil)
	_ Describer   = (*Router)(nil)
)

// NewRouter makes a Router. No prefix may begin with another route's, and none be
// empty: the first route that fits would hide the other.
func NewRouter(routes ...Route) (*Router, error) {
	for i, r := range routes {
		for _, prefix := range r.Prefixes {
			if prefix == "" {
				return nil, fmt.Errorf("kms: provider %s: an empty prefix", r.Name)
			}
			for _, other := range routes[:i] {
				for _, taken := range other.Prefixes {
					if strings.HasPrefix(prefix, taken) || strings.HasPrefix(taken, prefix) {
						return nil, fmt.Errorf("kms: providers %s and %s: the prefixes %s and %s cannot be told apart", other.Name, r.Name, taken, prefix)
					}
				}
			}
		}
	}
	return &Router{routes}, nil
}

// ReasonNoProvider is the Reason for a key that none of the providers has. A
// refusal: with its provider taken out of the configuration, a key is not to be
// used.
const ReasonNoProvider = "NoProvider"

// route is the provider of a key.
func (r *Router) route(op, arn string) (*Route, error) {
	for i := range r.routes {
		for _, prefix := range r.routes[i].Prefixes {
			if strings.HasPrefix(arn, prefix) {
				return &r.routes[i], nil
			}
		}
	}
	return nil, &Error{Op: op, Key: arn, Refused: true, Reason: ReasonNoProvider,
		Err: fmt.Errorf("the keys of the configured providers begin with %s", r.known())}
}

// known lists the prefixes, each with the name of its provider.
func (r *Router) known() string {
	var words []string
	for _, route := range r.routes {
		for _, prefix := range route.Prefixes {
			words = append(words, prefix+" ("+route.Name+")")
		}
	}
	return strings.Join(words, ", ")
}

// GenerateDataKey implements Provider.
func (r *Router) GenerateDataKey(ctx context.Context, key Key, ec map[string]string) (Generated, error) {
	to, err := r.route("GenerateDataKey", key.ARN)
	if err != nil {
		return Generated{}, err
	}
	return to.Provider.GenerateDataKey(ctx, key, ec)
}

// Encrypt implements Provider.
func (r *Router) Encrypt(ctx context.Context, key Key, plaintext secret.Bytes, ec map[string]string) (Wrapped, error) {
	to, err := r.route("Encrypt", key.ARN)
	if err != nil {
		return Wrapped{}, err
	}
	return to.Provider.Encrypt(ctx, key, plaintext, ec)
}

// Decrypt implements Provider.
func (r *Router) Decrypt(ctx context.Context, key Key, wrapped []byte, ec map[string]string) (secret.Bytes, error) {
	to, err := r.route("Decrypt", key.ARN)
	if err != nil {
		return nil, err
	}
	return to.Provider.Decrypt(ctx, key, wrapped, ec)
}

// Check implements Provider.
func (r *Router) Check(ctx context.Context, key Key) (KeyState, error) {
	to, err := r.route("Check", key.ARN)
	if err != nil {
		return KeyState{}, err
	}
	return to.Provider.Check(ctx, key)
}

// Describe implements Describer.
func (r *Router) Describe(ctx context.Context, key Key) (KeyState, error) {
	to, err := r.route("Describe", key.ARN)
	if err != nil {
		return KeyState{}, err
	}
	return Describe(ctx, to.Provider, key)
}

// ReEncrypt implements ReEncrypter for two keys of one provider that does.
func (r *Router) ReEncrypt(ctx context.Context, from Key, wrapped []byte, to Key, ec map[string]string) (Wrapped, error) {
	const op = "ReEncrypt"
	source, err := r.route(op, from.ARN)
	if err != nil {
		return Wrapped{}, err
	}
	target, err := r.route(op, to.ARN)
	if err != nil {
		return Wrapped{}, err
	}
	if source == target {
		return ReEncrypt(ctx, source.Provider, from, wrapped, to, ec)
	}
	return Wrapped{}, fmt.Errorf("%w: from %s to %s", ErrReEncrypt, source.Name, target.Name)
}
