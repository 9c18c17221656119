package vault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"
)

// Login says how pgseal gets its token. The methods' paths are the default ones
// of `vault auth enable` unless Mount names another.
type Login struct {
	Method string // token (default), approle or kubernetes
	Mount  string // of the auth method

	// TokenFile is for method token: read anew for each call, as Vault Agent
	// writes it anew. Empty: VAULT_TOKEN, which is renewed at half of its time.
	TokenFile string

	// Role is the role id for approle, the role's name for kubernetes. File has
	// the secret id or the service account's token, read anew for each login.
	Role, File string
}

// serviceAccount is where Kubernetes puts a pod's token
// (https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/).
const serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount/token"

// errNoCredentials is the cause of a loginError when there is nothing to log in with.
var errNoCredentials = errors.New("no credentials")

// session keeps the client's token fit. There is no goroutine: the calls, of
// which health checks make some every few seconds, bring it up to date.
type session struct {
	login  Login
	client *api.Client // gets the token
	asks   *api.Client // logs in, without one

	// turn is held while the fields below are read or changed; a channel, so that
	// who waits for it can give up.
	turn chan struct{}
	due  time.Time // for a login or renewal; zero: at once
	ends time.Time // of the token; zero: not known, or never
	has  bool      // the client has a token
}

func newSession(l Login, client, asks *api.Client) (*session, error) {
	switch l.Method {
	case "":
		l.Method = "token"
	case "token":
	case "approle", "kubernetes":
		if l.Mount == "" {
			l.Mount = l.Method
		}
		if l.Role == "" {
			return nil, fmt.Errorf("login by %s needs a role", l.Method)
		}
		if l.File == "" && l.Method == "kubernetes" {
			l.File = serviceAccount
		}
		if l.File == "" {
			return nil, errors.New("login by approle needs a file with the secret id")
		}
	default:
		return nil, fmt.Errorf("login by %q: there are token, approle and kubernetes", l.Method)
	}
	return &session{login: l, client: client, asks: asks, turn: make(chan struct{}, 1)}, nil
}

// renewable tells whether a login can replace a token that Vault does not know.
func (s *session) renewable() bool { return s.login.Method != "token" || s.login.TokenFile != "" }

// ready sees that the client has a token. fresh: the one it has does not work.
// Its error is a *loginError. With a token that is still good, a login or renewal
// that fails is tried again later.
func (s *session) ready(ctx context.Context, fresh bool) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return &loginError{ctx.Err()}
	}
	defer func() { <-s.turn }()
	if s.login.TokenFile != "" {
		token, err := readSecret(s.login.TokenFile)
		if err != nil {
			return &loginError{err}
		}
		s.client.SetToken(token)
		return nil
	}
	now := time.Now()
	if s.has && !fresh && (s.due.IsZero() || now.Before(s.due)) {
		return nil
	}
	err := s.refresh(ctx)
	switch {
	case err == nil:
		return nil
	case s.has && !fresh && (s.ends.IsZero() || now.Before(s.ends)):
		s.due = now.Add(retryLogin)
		return nil
	}
	return &loginError{err}
}

// retryLogin is the time between attempts while the token is still good.
const retryLogin = 10 * time.Second

// refresh logs in, or looks the environment's token up and renews it.
func (s *session) refresh(ctx context.Context) error {
	var auth *api.Secret
	var err error
	switch s.login.Method {
	case "approle":
		auth, err = s.loginWith(ctx, "role_id", "secret_id")
	case "kubernetes":
		auth, err = s.loginWith(ctx, "role", "jwt")
	default:
		return s.renew(ctx)
	}
	if err != nil {
		return err
	}
	if auth == nil || auth.Auth == nil || auth.Auth.ClientToken == "" {
		return errors.New("the answer has no token")
	}
	s.client.SetToken(auth.Auth.ClientToken)
	s.has = true
	s.lasts(time.Duration(auth.Auth.LeaseDuration) * time.Second)
	return nil
}

func (s *session) loginWith(ctx context.Context, role, secret string) (*api.Secret, error) {
	word, err := readSecret(s.login.File)
	if err != nil {
		return nil, err
	}
	return s.asks.Logical().WriteWithContext(ctx, "auth/"+s.login.Mount+"/login", map[string]any{role: s.login.Role, secret: word})
}

// renew is for the token of the environment. One that cannot be looked up (a
// policy may forbid that) or renewed is used as it is.
func (s *session) renew(ctx context.Context) error {
	if !s.has {
		token := os.Getenv(api.EnvVaultToken)
		if err := fit("VAULT_TOKEN", token); err != nil {
			return err
		}
		s.client.SetToken(token)
		s.has = true
		found, err := s.client.Auth().Token().LookupSelfWithContext(ctx)
		s.due = time.Time{}
		if err != nil {
			if isSilent(err) {
				s.due = time.Now().Add(retryLogin)
			}
			return nil
		}
		ttl, err := found.TokenTTL()
		if renewable, _ := found.TokenIsRenewable(); err == nil && renewable && ttl > 0 {
			s.lasts(ttl)
		}
		return nil
	}
	renewed, err := s.client.Auth().Token().RenewSelfWithContext(ctx, 0)
	if err != nil {
		return err
	}
	if renewed != nil && renewed.Auth != nil {
		s.lasts(time.Duration(renewed.Auth.LeaseDuration) * time.Second)
	}
	return nil
}

// lasts notes for how long the token is good: it is replaced at half of that.
// Zero: for ever.
func (s *session) lasts(ttl time.Duration) {
	s.due, s.ends = time.Time{}, time.Time{}
	if ttl > 0 {
		now := time.Now()
		s.due, s.ends = now.Add(ttl/2), now.Add(ttl)
	}
}

// isSilent tells whether an error is no answer about the token.
func isSilent(err error) bool {
	var answer *api.ResponseError
	return !errors.As(err, &answer) || !isClientError(answer)
}

// readSecret reads a file of one word.
func readSecret(file string) (string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errNoCredentials, err)
	}
	word := strings.TrimSpace(string(data))
	return word, fit(file, word)
}

// fit tells what keeps a word from being a token, without showing it.
func fit(where, word string) error {
	if word == "" {
		return fmt.Errorf("%w: %s is empty", errNoCredentials, where)
	}
	if strings.ContainsFunc(word, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Errorf("%w: %s holds more than one word of printable characters", errNoCredentials, where)
	}
	return nil
}
