package keyring

import (
	"log/slog"
	"testing"

	"github.com/pgseal/pgseal/crypto"
	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/internal/secret"
)

// benchRing is a keyring with one key in place: the hot paths ask nobody.
func benchRing(b *testing.B) (*Keyring, *crypto.DataKey) {
	b.Helper()
	r, err := New(nil, nil, Options{}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(r.Close)
	o := r.observe(keystore.OrgKey{Org: "acme", State: keystore.Enabled, Epoch: 1}, r.now())
	k, err := crypto.NewDataKey(7, "acme", make(secret.Bytes, crypto.KeySize))
	if err != nil {
		b.Fatal(err)
	}
	e := r.newEntry(k, o, o.hang(""), o.epoch.Load(), keystore.DataKey{ID: 7, Org: "acme"}, r.now())
	r.keep(e)
	o.current.Store(e)
	return r, k
}

func BenchmarkUsable(b *testing.B) {
	r, k := benchRing(b)
	b.ReportAllocs()
	for b.Loop() {
		if !r.Usable(k) {
			b.Fatal("not usable")
		}
	}
}

func BenchmarkForSeal(b *testing.B) {
	r, _ := benchRing(b)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := r.ForSeal(b.Context(), "acme"); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkForOpen(b *testing.B) {
	r, k := benchRing(b)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := r.ForOpen(b.Context(), k.ID()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
