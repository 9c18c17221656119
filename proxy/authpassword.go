package proxy

import (
	"context"
	"errors"
	"fmt"

	"github.com/pgseal/pgseal/internal/authquery"
	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/scram"
)

// Authentication that ends at pgseal (AuthSCRAM).
//
// The client is asked for what the server asks for, so that it sees what it
// would see of the server; where the server asks for nothing, for what goes with
// what is stored. The client is checked in any case: that the server trusts
// pgseal's address says nothing of the client.
//
// What is stored may come from memory. The server's challenge tells whether it is
// out of date, since its salt changes with the password: it is asked for under the
// version of the salt, before the client is challenged. Where the server asks for
// nothing, pgseal's is the only check, and what is stored is asked for each time.

// byPassword authenticates the client, and then pgseal in its name.
func (a *authentication) byPassword(ctx context.Context) error {
	code, data, err := a.request()
	if err != nil {
		return err
	}
	switch code {
	case requestOK:
		stored, err := a.stored(ctx, a.passwords().Fresh, "")
		if err != nil {
			return err
		}
		defer stored.Zero()
		return a.trusted(stored)
	case requestSASL:
		return a.bySCRAM(ctx, data)
	case requestMD5:
		return a.byMD5(ctx, data)
	}
	return cannotAnswer(code, AuthSCRAM)
}

// trusted authenticates a client whom the server asks nothing.
func (a *authentication) trusted(stored authquery.Stored) error {
	if stored.MD5 != nil {
		if err := a.refuseMD5(); err != nil {
			return err
		}
		response, salt, err := a.askMD5()
		if err == nil {
			err = a.checkMD5(stored, response, salt)
		}
		if err != nil {
			return err
		}
		return a.accept(nil)
	}
	v := stored.SCRAM
	if v == nil {
		v = scram.Mock(scram.MockChallenge(a.server.mockSecret, a.user, stored.Iterations))
	}
	final, key, err := a.checkSCRAM(v, stored.Missing)
	if err != nil {
		return err
	}
	key.Zero()
	return a.accept(final)
}

func (a *authentication) passwords() *authquery.Source { return a.server.config.Auth.Passwords }

// stored asks for what is stored for the user. The client is told no more than
// that it failed.
func (a *authentication) stored(ctx context.Context, ask func(ctx context.Context, user, version string) (authquery.Stored, error), version string) (authquery.Stored, error) {
	stored, err := ask(ctx, a.user, version)
	if err != nil {
		a.log.Error("users' passwords cannot be looked up: no client can log in", "user", a.user, "reason", err)
		return stored, &fatalError{&pgerr.Error{
			Code: pgerr.CannotConnectNow, Message: "pgseal cannot look up users' passwords",
			Hint: "The reason is in pgseal's log.", Anchor: "auth-query", Cause: err,
		}}
	}
	return stored, nil
}

// bySCRAM authenticates both where the server asks for SCRAM.
func (a *authentication) bySCRAM(ctx context.Context, mechanisms []byte) error {
	list, err := parseMechanisms(mechanisms)
	if err != nil {
		return a.strange(err)
	}
	binding, err := a.serverBinding()
	if err != nil {
		return err
	}
	login, err := scram.NewClient(list, binding)
	if err != nil {
		a.log.Warn("the server asks for a SASL mechanism that pgseal does not know", "mechanisms", list)
		return cannotAnswer(requestSASL, AuthSCRAM)
	}
	if err := a.answer(appendSASLInitial(nil, saslInitial{login.Mechanism(), login.First()})); err != nil {
		return err
	}
	message, err := a.expect(requestSASLContinue)
	if err != nil {
		return err
	}
	challenge, err := login.Challenge(message)
	if err != nil {
		return a.strange(err)
	}
	stored, err := a.stored(ctx, a.passwords().Lookup, fmt.Sprintf("%d:%s", challenge.Iterations, challenge.Salt))
	if err != nil {
		return err
	}
	defer stored.Zero()
	v := stored.SCRAM
	switch {
	case v == nil:
		v = scram.Mock(challenge)
	case !v.Answers(challenge):
		a.log.Warn("auth.query gives another verifier than the one that the server has: it will refuse the login", "user", a.user)
	}
	final, key, err := a.checkSCRAM(v, stored.Missing)
	if err != nil {
		return err
	}
	defer key.Zero()
	proof := login.Finish(key)
	defer clear(proof)
	if err := a.answer(proof); err != nil {
		return err
	}
	if message, err = a.expect(requestSASLFinal); err != nil {
		return err
	}
	if err := login.Check(message, v); err != nil {
		return a.strange(err)
	}
	if _, err := a.expect(requestOK); err != nil {
		return err
	}
	return a.accept(final)
}

// serverBinding is the hash of the server's certificate, nil without TLS. A
// certificate without a hash is refused, as by libpq: somebody in between could
// show one to get around the binding.
func (a *authentication) serverBinding() ([]byte, error) {
	state := a.up.TLS()
	if state == nil {
		return nil, nil
	}
	if len(state.PeerCertificates) == 0 {
		return nil, a.strange(errors.New("upstream shows no certificate"))
	}
	binding, err := scram.Binding(state.PeerCertificates[0])
	if err != nil {
		return nil, a.strange(err)
	}
	return binding, nil
}

// checkSCRAM has the client prove that it knows the password (CheckSASLAuth). It
// gives what ends the exchange, and the client's key.
func (a *authentication) checkSCRAM(v *scram.Verifier, missing string) (final []byte, key *scram.Key, err error) {
	binding, err := a.st.binding()
	if err != nil {
		return nil, nil, err
	}
	exchange := scram.NewServer(v, binding)
	if err := a.tell(appendRequest(nil, requestSASL, appendMechanisms(nil, exchange.Mechanisms()))); err != nil {
		return nil, nil, err
	}
	body, err := a.response("SASL")
	if err != nil {
		return nil, nil, err
	}
	initial, err := parseSASLInitial(body)
	if err != nil {
		return nil, nil, err
	}
	if err := exchange.Select(initial.mechanism); err != nil {
		return nil, nil, told(err)
	}
	first := initial.data
	if first == nil {
		// The client waits for a challenge, and sends its first message then.
		if err := a.tell(appendRequest(nil, requestSASLContinue, nil)); err != nil {
			return nil, nil, err
		}
		if first, err = a.response("SASL"); err != nil {
			return nil, nil, err
		}
	}
	challenge, err := exchange.Challenge(first)
	if err != nil {
		return nil, nil, told(err)
	}
	if err := a.tell(appendRequest(nil, requestSASLContinue, challenge)); err != nil {
		return nil, nil, err
	}
	proof, err := a.response("SASL")
	if err != nil {
		return nil, nil, err
	}
	defer clear(proof)
	final, key, err = exchange.Finish(proof)
	switch {
	case errors.Is(err, scram.ErrProof):
		return nil, nil, a.refusePassword(missing)
	case err != nil:
		return nil, nil, told(err)
	}
	return final, key, nil
}

// told makes an error of package scram's server side one that the client is told.
func told(err error) error {
	var e *pgerr.Error
	if errors.As(err, &e) {
		return &fatalError{e}
	}
	return fmt.Errorf("authenticate the client: %w", err)
}
