package scram_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgseal/pgseal/internal/scram"
)

// secretVerifier is of the password "secret", as Postgres stores it.
const secretVerifier = "SCRAM-SHA-256$4096:AAECAwQFBgcICQoLDA0ODw==$THoPhoTAuqyoQsK4dUHncUzgfD8fdmhsgKZhWVqNP5U=:" +
	"7YiHMMi2OcXGRogub03Ek06JRZ9bkhTOdCzHa5iPLiQ="

// TestPgx: pgx's client logs in, with the channel bound and not; and does not
// with another password.
func TestPgx(t *testing.T) {
	cert := certificate(t, x509.ECDSAWithSHA384)
	for _, test := range []struct {
		name, mode, binding, password string
		tls                           bool
		bound                         bool
	}{
		{"plain", "disable", "prefer", "secret", false, false},
		{"bound", "require", "require", "secret", true, true},
		{"preferred", "require", "prefer", "secret", true, true},
		{"declined", "require", "disable", "secret", true, false},
		{"wrong password", "disable", "prefer", "another", false, false},
		{"wrong password, bound", "require", "require", "another", true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			v, err := scram.ParseVerifier([]byte(secretVerifier))
			if err != nil {
				t.Fatal(err)
			}
			served := make(chan outcome, 1)
			config, err := pgconn.ParseConfig("host=127.0.0.1 user=u dbname=d password=" + test.password +
				" sslmode=" + test.mode + " channel_binding=" + test.binding)
			if err != nil {
				t.Fatal(err)
			}
			config.Fallbacks = nil
			var dialed atomic.Bool
			config.DialFunc = func(context.Context, string, string) (net.Conn, error) {
				if dialed.Swap(true) { // pgx dials again, to cancel, when the answer to a login breaks off
					return nil, errors.New("one connection is served")
				}
				client, server := net.Pipe()
				go func() { served <- serve(server, v, cert, test.tls) }()
				return client, nil
			}
			conn, err := pgconn.ConnectConfig(t.Context(), config)
			got := <-served
			if test.password != "secret" {
				var refused *pgconn.PgError
				if !errors.As(err, &refused) || refused.Code != "28P01" || !errors.Is(got.err, scram.ErrProof) {
					t.Errorf("the client gets %v, the server %v", err, got.err)
				}
				return
			}
			if err != nil || got.err != nil {
				t.Fatalf("the client gets %v, the server %v", err, got.err)
			}
			if got.bound != test.bound {
				t.Errorf("bound: %v, want %v", got.bound, test.bound)
			}
			_ = conn.Close(t.Context()) // the other end is gone
		})
	}
}

type outcome struct {
	bound bool
	err   error
}

// serve lets one client log in, or refuses it as Postgres does, and closes.
func serve(conn net.Conn, v *scram.Verifier, cert tls.Certificate, overTLS bool) (o outcome) {
	raw := conn
	defer func() { _ = raw.Close() }() // without a TLS goodbye, which nobody reads
	o.err = func() error {
		var binding []byte
		backend := pgproto3.NewBackend(conn, conn)
		if overTLS {
			if _, err := backend.ReceiveStartupMessage(); err != nil {
				return err
			}
			if _, err := conn.Write([]byte{'S'}); err != nil {
				return err
			}
			conn = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
			backend = pgproto3.NewBackend(conn, conn)
			var err error
			if binding, err = scram.Binding(cert.Leaf); err != nil {
				return err
			}
		}
		if _, err := backend.ReceiveStartupMessage(); err != nil {
			return err
		}
		s := scram.NewServer(v, binding)
		backend.Send(&pgproto3.AuthenticationSASL{AuthMechanisms: s.Mechanisms()})
		if err := errors.Join(backend.SetAuthType(pgproto3.AuthTypeSASL), backend.Flush()); err != nil {
			return err
		}
		message, err := backend.Receive()
		if err != nil {
			return err
		}
		initial := message.(*pgproto3.SASLInitialResponse)
		o.bound = initial.AuthMechanism == scram.MechanismPlus
		if err := s.Select(initial.AuthMechanism); err != nil {
			return err
		}
		challenge, err := s.Challenge(initial.Data)
		if err != nil {
			return err
		}
		backend.Send(&pgproto3.AuthenticationSASLContinue{Data: challenge})
		if err := errors.Join(backend.SetAuthType(pgproto3.AuthTypeSASLContinue), backend.Flush()); err != nil {
			return err
		}
		if message, err = backend.Receive(); err != nil {
			return err
		}
		final, key, err := s.Finish(message.(*pgproto3.SASLResponse).Data)
		if err != nil {
			backend.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "28P01", Message: "password authentication failed"})
			return errors.Join(err, backend.Flush())
		}
		key.Zero()
		backend.Send(&pgproto3.AuthenticationSASLFinal{Data: final})
		backend.Send(&pgproto3.AuthenticationOk{})
		backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		return backend.Flush()
	}()
	return o
}

// TestBinding: the hash goes by the signature's.
func TestBinding(t *testing.T) {
	for algorithm, size := range map[x509.SignatureAlgorithm]int{
		x509.SHA256WithRSA: 32, x509.SHA384WithRSA: 48, x509.SHA512WithRSAPSS: 64,
		x509.ECDSAWithSHA256: 32, x509.ECDSAWithSHA384: 48, x509.ECDSAWithSHA512: 64,
	} {
		binding, err := scram.Binding(certificate(t, algorithm).Leaf)
		if err != nil || len(binding) != size {
			t.Errorf("%v: %d bytes, %v; want %d", algorithm, len(binding), err, size)
		}
	}
	for _, weak := range []x509.SignatureAlgorithm{x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1} {
		binding, err := scram.Binding(&x509.Certificate{SignatureAlgorithm: weak, Raw: []byte("certificate")})
		if err != nil || len(binding) != 32 {
			t.Errorf("%v: %d bytes, %v; want 32", weak, len(binding), err)
		}
	}
	if _, err := scram.Binding(certificate(t, x509.PureEd25519).Leaf); err == nil {
		t.Error("Ed25519 has a hash")
	}
}

// certificate makes one, signed by itself.
func certificate(t *testing.T, algorithm x509.SignatureAlgorithm) tls.Certificate {
	t.Helper()
	var key any
	var public any
	var err error
	switch algorithm {
	case x509.PureEd25519:
		public, key, err = ed25519.GenerateKey(rand.Reader)
	case x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512:
		var k *ecdsa.PrivateKey
		k, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		key, public = k, &k.PublicKey
	default:
		var k *rsa.PrivateKey
		k, err = rsa.GenerateKey(rand.Reader, 2048)
		key, public = k, &k.PublicKey
	}
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), SignatureAlgorithm: algorithm,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}
