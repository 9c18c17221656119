package gocloud

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	cloudkms "cloud.google.com/go/kms/apiv1"
	"cloud.google.com/go/kms/apiv1/kmspb"
	"gocloud.dev/secrets"
	"gocloud.dev/secrets/gcpkms"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/crypto/kms/kmstest"
)

// cloudKMS is what Encrypt and Decrypt of Cloud KMS do, on loopback, with true
// cryptography, the codes that Google documents, and trouble on demand: pgseal
// talks to it by Google's client. It is not Google's service.
type cloudKMS struct {
	kmspb.UnimplementedKeyManagementServiceServer

	mu      sync.Mutex
	keys    map[string]cipher.AEAD
	refuse  map[string]codes.Code // by key: disabled, or not allowed
	trouble codes.Code            // of every call
	hangs   bool
}

// meet gives the key, or what keeps it from being used.
func (s *cloudKMS) meet(ctx context.Context, name string) (cipher.AEAD, error) {
	s.mu.Lock()
	trouble, hangs, key, refuse := s.trouble, s.hangs, s.keys[name], s.refuse[name]
	s.mu.Unlock()
	switch {
	case hangs:
		<-ctx.Done()
		return nil, status.FromContextError(ctx.Err()).Err()
	case trouble != codes.OK:
		return nil, status.Error(trouble, "trouble")
	case refuse != codes.OK:
		return nil, status.Error(refuse, name+" is not enabled, current state is: DISABLED.")
	case key == nil:
		return nil, status.Errorf(codes.NotFound, "CryptoKey %s not found.", name)
	}
	return key, nil
}

func (s *cloudKMS) Encrypt(ctx context.Context, r *kmspb.EncryptRequest) (*kmspb.EncryptResponse, error) {
	key, err := s.meet(ctx, r.GetName())
	if err != nil {
		return nil, err
	}
	return &kmspb.EncryptResponse{Ciphertext: key.Seal(nil, nil, r.GetPlaintext(), r.GetAdditionalAuthenticatedData())}, nil
}

func (s *cloudKMS) Decrypt(ctx context.Context, r *kmspb.DecryptRequest) (*kmspb.DecryptResponse, error) {
	key, err := s.meet(ctx, r.GetName())
	if err != nil {
		return nil, err
	}
	plaintext, err := key.Open(nil, nil, r.GetCiphertext(), r.GetAdditionalAuthenticatedData())
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, "Decryption failed: the ciphertext is invalid.")
	}
	return &kmspb.DecryptResponse{Plaintext: plaintext}, nil
}

func (s *cloudKMS) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

const ring = "projects/p/locations/europe/keyRings/r/cryptoKeys/"

func (s *cloudKMS) create(t *testing.T, name string) {
	t.Helper()
	material := make([]byte, 32)
	_, _ = rand.Read(material) // never fails (crypto/rand)
	block, err := aes.NewCipher(material)
	must(t, err)
	key, err := cipher.NewGCMWithRandomNonce(block)
	must(t, err)
	s.set(func() { s.keys[ring+name] = key })
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// serve gives the server, and a provider that reaches it.
func serve(t *testing.T) (*cloudKMS, *Provider) {
	t.Helper()
	s := &cloudKMS{keys: map[string]cipher.AEAD{}, refuse: map[string]codes.Code{}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	server := grpc.NewServer()
	kmspb.RegisterKeyManagementServiceServer(server, s)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	client, err := cloudkms.NewKeyManagementClient(t.Context(), option.WithEndpoint(listener.Addr().String()), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
	must(t, err)
	t.Cleanup(func() {
		must(t, client.Close())
		server.Stop()
		must(t, <-served)
	})
	return s, newProvider(time.Minute, CheckGCP, func(_ context.Context, name string) (*secrets.Keeper, error) {
		return gcpkms.OpenKeeper(client, strings.TrimPrefix(name, PrefixGCP), nil), nil
	})
}

func TestConformance(t *testing.T) {
	kmstest.Run(t, func(t *testing.T) *kmstest.Subject {
		s, p := serve(t)
		s.create(t, "acme")
		s.create(t, "globex")
		name := func(key string) kms.Key { return kms.Key{ARN: PrefixGCP + ring + key} }
		refusal := func(what string, code codes.Code) kmstest.Switch {
			return kmstest.Switch{Name: what,
				Off: func() { s.set(func() { s.refuse[ring+"acme"] = code }) },
				On:  func() { s.set(func() { delete(s.refuse, ring+"acme") }) }}
		}
		trouble := func(what string, code codes.Code, reason string) kmstest.Silence {
			return kmstest.Silence{Name: what, Reason: reason, Hangs: code == codes.Unavailable, // the client tries until then
				Begin: func() { s.set(func() { s.trouble = code }) },
				End:   func() { s.set(func() { s.trouble = codes.OK }) }}
		}
		return &kmstest.Subject{
			Provider: p, Key: name("acme"), Other: name("globex"), Missing: name("hooli"), State: "Enabled",
			BadNames: []string{"gcpkms://", "gcpkms://acme", ring + "acme", PrefixGCP + ring + "acme/cryptoKeyVersions/1", PrefixGCP + ring + "a?b"},
			Switches: []kmstest.Switch{refusal("disabled", codes.FailedPrecondition), refusal("denied", codes.PermissionDenied)},
			Delete:   func() { s.set(func() { delete(s.keys, ring+"acme") }) },
			Silences: []kmstest.Silence{
				trouble("unauthenticated", codes.Unauthenticated, kms.ReasonCredentials),
				trouble("internal", codes.Internal, "Internal"),
				trouble("quota", codes.ResourceExhausted, "ResourceExhausted"),
				trouble("unavailable", codes.Unavailable, kms.ReasonTimeout),
				{Name: "hangs", Hangs: true, Reason: kms.ReasonTimeout,
					Begin: func() { s.set(func() { s.hangs = true }) }, End: func() { s.set(func() { s.hangs = false }) }},
			},
		}
	})
}
