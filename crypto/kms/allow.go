package kms

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pgseal/pgseal/internal/secret"
)

// Allow refuses, with ReasonNotAllowed, calls with keys whose ARN none of the
// patterns matches, and what is made under a key that an alias stands for if that
// key is not allowed itself. The keys always, exact ARNs, are allowed besides.
// Without patterns all keys are allowed. An error says what is wrong with a
// pattern.
//
// A pattern is an ARN in which * stands for any characters but colons, none as
// well: arn:aws:kms:*:111122223333:key/*, arn:aws:kms:eu-central-1:*:*, local:*.
// Letters' case counts, and the pattern has to match the whole ARN. What names the
// provider, before the first colon, is written out.
func Allow(p Provider, patterns []string, always ...string) (Provider, error) {
	if len(patterns) == 0 {
		return p, nil
	}
	for _, pattern := range patterns {
		if err := checkPattern(pattern); err != nil {
			return nil, err
		}
	}
	for _, arn := range always {
		if strings.Contains(arn, ":alias/") && !matchesAny(patterns, arn) {
			return nil, fmt.Errorf("key %s: an alias may stand for any key: name the key itself, or list the alias and its key among the allowed ones", arn)
		}
	}
	return &allow{Provider: p, patterns: slices.Clone(patterns), always: slices.Clone(always)}, nil
}

type allow struct {
	Provider
	patterns, always []string
}

var (
	_ Provider    = (*allow)(nil)
	_ ReEncrypter = (*allow)(nil)
	_ Describer   = (*allow)(nil)
)

func (a *allow) GenerateDataKey(ctx context.Context, key Key, ec map[string]string) (Generated, error) {
	const op = "GenerateDataKey"
	if err := a.check(op, key.ARN); err != nil {
		return Generated{}, err
	}
	made, err := a.Provider.GenerateDataKey(ctx, key, ec)
	if err != nil {
		return made, err
	}
	if err := a.checkTarget(op, key.ARN, made.KeyARN); err != nil {
		made.Plaintext.Zero()
		return Generated{}, err
	}
	return made, nil
}

func (a *allow) Encrypt(ctx context.Context, key Key, plaintext secret.Bytes, ec map[string]string) (Wrapped, error) {
	const op = "Encrypt"
	if err := a.check(op, key.ARN); err != nil {
		return Wrapped{}, err
	}
	return a.wrapped(op, key)(a.Provider.Encrypt(ctx, key, plaintext, ec))
}

func (a *allow) Decrypt(ctx context.Context, key Key, wrapped []byte, ec map[string]string) (secret.Bytes, error) {
	if err := a.check("Decrypt", key.ARN); err != nil {
		return nil, err
	}
	return a.Provider.Decrypt(ctx, key, wrapped, ec)
}

func (a *allow) Check(ctx context.Context, key Key) (KeyState, error) {
	return a.look("Check", key, func() (KeyState, error) { return a.Provider.Check(ctx, key) })
}

// Describe implements Describer.
func (a *allow) Describe(ctx context.Context, key Key) (KeyState, error) {
	return a.look("Describe", key, func() (KeyState, error) { return Describe(ctx, a.Provider, key) })
}

// ReEncrypt implements ReEncrypter.
func (a *allow) ReEncrypt(ctx context.Context, from Key, wrapped []byte, to Key, ec map[string]string) (Wrapped, error) {
	const op = "ReEncrypt"
	for _, arn := range []string{from.ARN, to.ARN} {
		if err := a.check(op, arn); err != nil {
			return Wrapped{}, err
		}
	}
	return a.wrapped(op, to)(ReEncrypt(ctx, a.Provider, from, wrapped, to, ec))
}

// wrapped looks at what a wrap was made under.
func (a *allow) wrapped(op string, key Key) func(Wrapped, error) (Wrapped, error) {
	return func(w Wrapped, err error) (Wrapped, error) {
		if err == nil {
			err = a.checkTarget(op, key.ARN, w.KeyARN)
		}
		if err != nil {
			return Wrapped{}, err
		}
		return w, nil
	}
}

// look is Check or Describe. That the key an alias stands for is not allowed
// outranks what its KMS says of it.
func (a *allow) look(op string, key Key, ask func() (KeyState, error)) (KeyState, error) {
	if err := a.check(op, key.ARN); err != nil {
		return KeyState{}, err
	}
	state, err := ask()
	if state.ARN != "" {
		if refused := a.checkTarget(op, key.ARN, state.ARN); refused != nil {
			return KeyState{}, refused
		}
	}
	return state, err
}

func (a *allow) check(op, arn string) error {
	if slices.Contains(a.always, arn) || matchesAny(a.patterns, arn) {
		return nil
	}
	return &Error{Op: op, Key: arn, Refused: true, Reason: ReasonNotAllowed}
}

// checkTarget looks at the key that KMS says it has used.
func (a *allow) checkTarget(op, asked, target string) error {
	if target == asked || a.check(op, target) == nil {
		return nil
	}
	return &Error{Op: op, Key: asked, Refused: true, Reason: ReasonNotAllowed, Err: fmt.Errorf("it stands for %s, which is not allowed", target)}
}

func matchesAny(patterns []string, arn string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, arn) })
}

// checkPattern tells what is wrong with a pattern: what could never match, and
// what looks as if it meant something that it does not.
func checkPattern(pattern string) error {
	provider, _, ok := strings.Cut(pattern, ":")
	strange := func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`?[]{}\|`, r) }
	switch {
	case pattern == "":
		return fmt.Errorf("an empty pattern matches no key")
	case strings.ContainsFunc(pattern, strange):
		return fmt.Errorf("pattern %q: a pattern is an ARN in which * alone is special, and which has no spaces", pattern)
	case !ok || provider == "" || strings.Contains(provider, "*"):
		return fmt.Errorf("pattern %q: it has to begin with arn:, local: or what else names the provider", pattern)
	case provider == "arn" && strings.Count(pattern, ":") != 5:
		return fmt.Errorf("pattern %q: * stands for no colon, and an ARN has six parts: arn:aws:kms:REGION:ACCOUNT:key/ID", pattern)
	}
	return nil
}

// matches tells whether an ARN is one that the pattern stands for. It takes time
// linear to the ARN's length times the number of stars.
func matches(pattern, arn string) bool {
	first, rest, wild := strings.Cut(pattern, "*")
	arn, ok := strings.CutPrefix(arn, first)
	if !ok || !wild {
		return ok && arn == ""
	}
	for {
		literal, next, more := strings.Cut(rest, "*")
		// What the star stands for: as little as possible, but for the last one.
		i := strings.Index(arn, literal)
		if !more {
			i = len(arn) - len(literal)
			if i < 0 || !strings.HasSuffix(arn, literal) {
				return false
			}
		}
		if i < 0 || strings.Contains(arn[:i], ":") {
			return false
		}
		arn, rest = arn[i+len(literal):], next
		if !more {
			return true
		}
	}
}
