package keyring

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"

	"github.com/pgseal/pgseal/crypto"
	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/internal/kmsserver"
	"github.com/pgseal/pgseal/internal/pgerr"
)

func TestRestartOpensOldValues(t *testing.T) {
	e := newEnv(t)
	first := e.ring(Options{})
	sealed, k := e.seal(first, "acme", "secret")
	e.reads(first, sealed, "secret")
	if n := e.kms.Calls("Decrypt", ""); n != 0 {
		t.Errorf("%d calls of Decrypt for a key that was just minted", n)
	}
	first.Close()

	second := e.ring(Options{})
	e.reads(second, sealed, "secret")
	opened, err := second.ForOpen(t.Context(), k.ID())
	e.must(err)
	if _, err := opened.Seal(nil, nil, context1); err == nil {
		t.Error("a key that another process has minted seals")
	}
	again, minted := e.seal(second, "acme", "more")
	if minted.ID() == k.ID() {
		t.Error("two processes share a data key")
	}
	e.reads(second, again, "more")
}

// TestColdCacheMakesOneCallAKey: 64 sessions, 8 data keys, nothing open.
func TestColdCacheMakesOneCallAKey(t *testing.T) {
	e := newEnv(t)
	var values [][]byte
	for range 4 {
		r := e.ring(Options{})
		for _, org := range []string{"acme", "globex"} {
			sealed, _ := e.seal(r, org, "secret")
			values = append(values, sealed)
		}
	}
	e.kms.ResetCalls()
	r := e.ring(Options{})
	var wg sync.WaitGroup
	start := make(chan struct{})
	for range 64 {
		wg.Go(func() {
			<-start
			for _, sealed := range values {
				if got, err := opens(t.Context(), r, sealed); err != nil || got != "secret" {
					t.Error(got, err)
				}
			}
			for _, org := range []string{"acme", "globex"} {
				if _, err := r.ForSeal(t.Context(), org); err != nil {
					t.Error(err)
				}
			}
		})
	}
	close(start)
	wg.Wait()
	for org, arn := range e.arns {
		if n := e.kms.Calls("Decrypt", arn); n != 4 {
			t.Errorf("%s: %d calls of Decrypt, want 4", org, n)
		}
		if n := e.kms.Calls("GenerateDataKey", arn); n != 1 {
			t.Errorf("%s: %d calls of GenerateDataKey, want 1", org, n)
		}
	}
}

// TestTTLCountsFromUnwrap: use does not prolong it, and one call a TTL is made.
func TestTTLCountsFromUnwrap(t *testing.T) {
	e := newEnv(t)
	sealed, _ := e.seal(e.ring(Options{}), "acme", "secret")
	r := e.ring(Options{})
	e.reads(r, sealed, "secret")
	id, _ := crypto.KeyID(sealed)
	k, err := r.ForOpen(t.Context(), id)
	e.must(err)
	for range 8 { // to 0.8 TTL, in use all the time
		e.clock.advance(r.options.TTL / 10)
		e.reads(r, sealed, "secret")
	}
	if n := e.kms.Calls("Decrypt", ""); n != 1 {
		t.Errorf("%d calls of Decrypt before the TTL's end", n)
	}
	e.clock.expire(r)
	if r.Usable(k) {
		t.Error("usable after its TTL")
	}
	e.reads(r, sealed, "secret")
	if n := e.kms.Calls("Decrypt", ""); n != 2 {
		t.Errorf("%d calls of Decrypt, want 2", n)
	}
	if !r.Usable(k) {
		t.Error("the key that was proved again is another object")
	}
}

// TestRefreshAhead: a key in use is proved again before its end, in the
// background, and stays the same object.
func TestRefreshAhead(t *testing.T) {
	e := newEnv(t)
	r := e.ring(Options{})
	sealed, k := e.seal(r, "acme", "secret")
	for i := 1; i <= 5; i++ {
		e.clock.intoRefreshAhead(r)
		if !r.Usable(k) {
			t.Fatal("not usable before its end")
		}
		r.work.Wait()
		if n := e.kms.Calls("Decrypt", e.arns["acme"]); n != i {
			t.Fatalf("%d calls of Decrypt, want %d", n, i)
		}
	}
	if again, err := r.ForSeal(t.Context(), "acme"); err != nil || again != k {
		t.Error("another key", err)
	}
	e.reads(r, sealed, "secret")
	// One that is not used is not refreshed.
	e.clock.advance(10 * r.options.TTL)
	if r.Usable(k) {
		t.Error("usable long after its end")
	}
}

// TestWaiterLeavesTheLoadAlone: of two sessions that wait for a hanging KMS, one
// gives up; the other gets the key of the same call.
func TestWaiterLeavesTheLoadAlone(t *testing.T) {
	e := newEnv(t)
	sealed, k := e.seal(e.ring(Options{}), "acme", "secret")
	r := e.ring(Options{})
	fault := e.kms.Inject(kmsserver.Fault{Kind: kmsserver.Hang, Op: "Decrypt", Key: e.arns["acme"]})
	ctx, cancel := context.WithCancel(t.Context())
	gaveUp, stayed := make(chan error), make(chan error)
	go func() {
		_, err := r.ForOpen(ctx, k.ID())
		gaveUp <- err
	}()
	until(t, "nobody asked KMS", func() bool { return fault.Waiting() == 1 })
	go func() {
		got, err := opens(t.Context(), r, sealed)
		if got != "secret" {
			err = errors.Join(err, errors.New("got something else"))
		}
		stayed <- err
	}()
	cancel()
	err := <-gaveUp
	e.code(err, pgerr.KMSUnreachable)
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	fault.Remove()
	e.must(<-stayed)
	if n := e.kms.Calls("Decrypt", ""); n != 1 {
		t.Errorf("%d calls of Decrypt, want 1", n)
	}
}

// TestHangOfOneOrg: more sessions than calls may run hang on acme's key, and
// globex's are served.
func TestHangOfOneOrg(t *testing.T) {
	e := newEnv(t)
	var ids []uint64
	for range orgCalls + 4 {
		_, k := e.seal(e.ring(Options{}), "acme", "secret")
		ids = append(ids, k.ID())
	}
	globex, _ := e.seal(e.ring(Options{}), "globex", "secret")

	r := e.ring(Options{})
	fault := e.kms.Inject(kmsserver.Fault{Kind: kmsserver.Hang, Key: e.arns["acme"]})
	var wg sync.WaitGroup
	for _, id := range ids {
		wg.Go(func() {
			if _, err := r.ForOpen(t.Context(), id); err != nil {
				t.Error(err)
			}
		})
	}
	until(t, "acme's calls are not bounded, or do not run at once", func() bool { return fault.Waiting() == orgCalls })
	e.reads(r, globex, "secret")
	e.seal(r, "globex", "more")
	if n := fault.Waiting(); n != orgCalls {
		t.Errorf("%d calls hang, want %d", n, orgCalls)
	}
	fault.Remove()
	wg.Wait()
}

func TestTimeoutIsSilence(t *testing.T) {
	e := newEnv(t)
	sealed, _ := e.seal(e.ring(Options{}), "acme", "secret")
	r := e.ring(Options{Timeout: 50e6}) // 50 ms, which pass
	fault := e.kms.Inject(kmsserver.Fault{Kind: kmsserver.Hang, Key: e.arns["acme"]})
	defer fault.Remove()
	if pe := e.unreadable(r, "acme", sealed, pgerr.KMSUnreachable); pe.Detail != "KMS does not answer: timeout." {
		t.Error(pe.Detail)
	}
}

// TestChangedKeystore: rows that somebody has changed open nothing, and do no
// harm to the org's other data keys.
func TestChangedKeystore(t *testing.T) {
	e := newEnv(t)
	value := func(org string) ([]byte, int64) {
		sealed, k := e.seal(e.ring(Options{}), org, "secret")
		return sealed, int64(k.ID())
	}
	commitment, id := value("acme")
	e.sql("UPDATE pgseal.data_keys SET commitment = decode(repeat('00', 32), 'hex') WHERE id = $1", id)
	damaged, id := value("acme")
	e.sql("UPDATE pgseal.data_keys SET wrapped = set_byte(wrapped, 20, get_byte(wrapped, 20) # 1) WHERE id = $1", id)
	short, id := value("acme")
	e.sql("UPDATE pgseal.data_keys SET wrapped = substring(wrapped FROM 1 FOR 5) WHERE id = $1", id)
	given, id := value("acme")
	e.sql("UPDATE pgseal.data_keys SET org = 'globex' WHERE id = $1", id)
	deleted, id := value("acme")
	e.sql("DELETE FROM pgseal.data_keys WHERE id = $1", id)
	swapA, a := value("acme")
	swapB, b := value("acme")
	e.sql("UPDATE pgseal.data_keys d SET wrapped = o.wrapped FROM pgseal.data_keys o WHERE (d.id, o.id) IN (($1::bigint, $2::bigint), ($2::bigint, $1::bigint))", a, b)
	acrossA, a := value("acme")
	acrossB, b := value("globex")
	e.sql(`UPDATE pgseal.data_keys d SET wrapped = o.wrapped, key_arn = o.key_arn, commitment = o.commitment
		FROM pgseal.data_keys o WHERE (d.id, o.id) IN (($1::bigint, $2::bigint), ($2::bigint, $1::bigint))`, a, b)
	sound, _ := value("acme")

	r := e.ring(Options{})
	for what, sealed := range map[string][]byte{
		"commitment": commitment, "damaged": damaged, "short": short, "given to another org": given, "deleted": deleted,
		"swapped": swapA, "swapped too": swapB, "swapped across orgs": acrossA, "swapped across orgs too": acrossB,
	} {
		for range 2 { // the answer, and the answer again
			if _, err := opens(t.Context(), r, sealed); err == nil {
				t.Errorf("%s: opens", what)
			} else {
				e.code(err, pgerr.DoesNotOpen)
			}
		}
	}
	asked := e.kms.Calls("Decrypt", "")
	_, err := opens(t.Context(), r, damaged)
	e.code(err, pgerr.DoesNotOpen)
	if e.kms.Calls("Decrypt", "") != asked {
		t.Error("KMS is asked again at once for a key that does not unwrap")
	}
	e.reads(r, sound, "secret")
	e.check(r)
	for _, org := range []string{"acme", "globex"} {
		if h := e.health(r, org); h.State != OK {
			t.Errorf("%+v", h)
		}
	}
}

// TestCommitmentIsChecked: a wrapped key that KMS does unwrap, under the same
// id and org, but that is not the one that was minted.
func TestCommitmentIsChecked(t *testing.T) {
	e := newEnv(t)
	r := e.ring(Options{})
	sealed, k := e.seal(r, "acme", "secret")
	other, err := r.provider.GenerateDataKey(t.Context(), kms.Key{ARN: e.arns["acme"]}, map[string]string{
		"pgseal:org": "acme", "pgseal:data-key": itoa(k.ID()),
	})
	e.must(err)
	e.sql("UPDATE pgseal.data_keys SET wrapped = $1 WHERE id = $2", other.Wrapped, int64(k.ID()))
	_, err = opens(t.Context(), e.ring(Options{}), sealed)
	if pe := e.code(err, pgerr.DoesNotOpen); pe.Detail != "Its data key "+itoa(k.ID())+" is not the one that was minted: the keystore was changed." {
		t.Error(pe.Detail)
	}
}

// TestSecondWrapIsChecked: a second wrap that somebody has put beside the first is
// held to the commitment, and to its own row and org, as the first is. One that does
// not stand the test says nothing of the first.
func TestSecondWrapIsChecked(t *testing.T) {
	e := newEnv(t)
	sealed, k := e.seal(e.ring(Options{}), "acme", "secret")
	arn := e.replace("acme")
	p := e.ring(Options{}).provider
	put := func(wrapped []byte) {
		t.Helper()
		e.sql("UPDATE pgseal.data_keys SET next_wrapped = $1, next_key_arn = $2", wrapped, arn)
	}
	other, err := p.GenerateDataKey(t.Context(), kms.Key{ARN: arn}, kms.EncryptionContext("acme", k.ID()))
	e.must(err)
	put(other.Wrapped)
	e.reads(e.ring(Options{}), sealed, "secret")
	for _, moved := range []map[string]string{kms.EncryptionContext("acme", k.ID()+1), kms.EncryptionContext("globex", k.ID())} {
		other, err := p.Encrypt(t.Context(), kms.Key{ARN: arn}, make([]byte, crypto.KeySize), moved)
		e.must(err)
		put(other.Blob)
		e.reads(e.ring(Options{}), sealed, "secret")
	}
	put(other.Wrapped)
	e.sql("UPDATE pgseal.data_keys SET wrapped = set_byte(wrapped, 20, get_byte(wrapped, 20) # 1)")
	_, err = opens(t.Context(), e.ring(Options{}), sealed)
	e.code(err, pgerr.DoesNotOpen)
}

// TestSealedValuesThatWereTamperedWith: each byte counts, and where the value stands.
func TestSealedValuesThatWereTamperedWith(t *testing.T) {
	e := newEnv(t)
	r := e.ring(Options{})
	acme, _ := e.seal(r, "acme", "secret")
	globex, other := e.seal(r, "globex", "secret")
	refused := func(what string, sealed []byte) {
		t.Helper()
		if got, err := opens(t.Context(), r, sealed); err == nil {
			t.Errorf("%s: opens as %q", what, got)
		} else {
			e.code(err, pgerr.DoesNotOpen)
		}
	}
	for i := range acme {
		flipped := bytes.Clone(acme)
		flipped[i] ^= 1
		refused("byte "+strconv.Itoa(i), flipped)
		refused("cut to "+strconv.Itoa(i), acme[:i])
	}
	refused("a byte more", append(bytes.Clone(acme), 0))
	// The other org's header, and so its data key, before acme's ciphertext.
	refused("under another org's data key", append(bytes.Clone(globex[:crypto.HeaderSize]), acme[crypto.HeaderSize:]...))
	if _, err := other.Open(nil, globex, "public.spans.other"); err == nil {
		t.Error("opens in another column")
	} else {
		e.code(err, pgerr.DoesNotOpen)
	}
	e.reads(r, acme, "secret")
}

func TestUnknownID(t *testing.T) {
	e := newEnv(t)
	r := e.ring(Options{})
	for _, id := range []uint64{0, 1, crypto.MaxKeyID, 1 << 63} {
		_, err := r.ForOpen(t.Context(), id)
		e.code(err, pgerr.DoesNotOpen)
	}
}

// TestErrorsAreTheCallersOwn: two that wait for the same answer may each fill
// in their place in the statement.
func TestErrorsAreTheCallersOwn(t *testing.T) {
	e := newEnv(t)
	r := e.ring(Options{})
	_, err1 := r.ForOpen(t.Context(), 5)
	_, err2 := r.ForOpen(t.Context(), 5)
	if e.code(err1, pgerr.DoesNotOpen) == e.code(err2, pgerr.DoesNotOpen) {
		t.Error("one error for two callers")
	}
}

// TestSmallCache: a cache that holds next to nothing costs calls, never errors.
func TestSmallCache(t *testing.T) {
	e := newEnv(t)
	var values [][]byte
	for range 6 {
		sealed, _ := e.seal(e.ring(Options{}), "acme", "secret")
		values = append(values, sealed)
	}
	r := e.ring(Options{Capacity: 1})
	for range 3 {
		for _, sealed := range values {
			e.reads(r, sealed, "secret")
		}
	}
	own, _ := e.seal(r, "acme", "more")
	e.reads(r, own, "more")
}
