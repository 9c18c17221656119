package keystore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/pgseal/pgseal/crypto/kms"
)

// fence is what a minter knows that has just read the org's key.
func fence(t *testing.T, s *Store, org string) Fence {
	t.Helper()
	k, err := s.OrgKey(t.Context(), org)
	if err != nil {
		t.Fatal(err)
	}
	return Fence{Epoch: k.Epoch, ARN: k.ARN}
}

// mint stores a data key of the org's that is wrapped under arn.
func mint(t *testing.T, s *Store, org string, id uint64, arn string) DataKey {
	t.Helper()
	k := DataKey{ID: id, Org: org, Wrapped: fmt.Appendf(nil, "%d by %s", id, arn), KeyARN: arn, MintedBy: "p1"}
	if err := s.InsertDataKey(t.Context(), k, fence(t, s, org)); err != nil {
		t.Fatal(err)
	}
	return k
}

func link(t *testing.T, s *Store, org, arn string) {
	t.Helper()
	if err := s.AddOrgKey(t.Context(), OrgKey{Org: org, Name: org, Key: kms.Key{ARN: arn}}, tester); err != nil {
		t.Fatal(err)
	}
}

func mustBe(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

func orgKey(t *testing.T, s *Store, org string) OrgKey {
	t.Helper()
	k, err := s.OrgKey(t.Context(), org)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// wraps tells by which keys a data key is wrapped.
func wraps(t *testing.T, s *Store, id uint64) string {
	t.Helper()
	k, err := s.DataKey(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s by %s, %s by %s", k.Wrapped, k.KeyARN, k.NextWrapped, k.NextKeyARN)
}

func ids(keys []DataKey) (list []uint64) {
	for _, k := range keys {
		list = append(list, k.ID)
	}
	return list
}

// TestReplace: a change of keys from its beginning to its end.
func TestReplace(t *testing.T) {
	s, _ := migrated(t)
	ctx := t.Context()
	mustBe(t, s.ReplaceOrgKey(ctx, "acme", Replacement{Key: kms.Key{ARN: "b"}}, tester), ErrNotFound)
	link(t, s, "acme", "a")
	epoch := orgKey(t, s, "acme").Epoch
	for id := uint64(1); id <= 3; id++ {
		mint(t, s, "acme", id, "a")
	}
	link(t, s, "globex", "a")
	mint(t, s, "globex", 9, "a")

	stale := fence(t, s, "acme")
	_, err := s.CompleteReplacement(ctx, "acme", []string{"a"}, tester)
	mustBe(t, err, ErrNotReplacing)
	mustBe(t, s.ReplaceOrgKey(ctx, "acme", Replacement{Key: kms.Key{ARN: "a"}}, tester), ErrExists)
	name := "the new one"
	next := kms.Key{ARN: "b", Replicas: []string{"b2"}, RoleARN: "r", ExternalID: "x"}
	if err := s.ReplaceOrgKey(ctx, "acme", Replacement{Key: next, Region: "eu-west-1", Name: &name}, tester); err != nil {
		t.Fatal(err)
	}
	k := orgKey(t, s, "acme")
	if k.ARN != "b" || !slices.Equal(k.Replicas, next.Replicas) || k.RoleARN != "r" || k.ExternalID != "x" || k.Name != name || k.Region != "eu-west-1" ||
		k.Previous == nil || k.Previous.ARN != "a" || k.Replacing.IsZero() || k.Epoch != epoch {
		t.Errorf("%+v", k)
	}
	mustBe(t, s.ReplaceOrgKey(ctx, "acme", Replacement{Key: kms.Key{ARN: "c"}}, tester), ErrReplacing)

	// One that asked the former key for a data key comes too late.
	mustBe(t, s.InsertDataKey(ctx, DataKey{ID: 4, Org: "acme", Wrapped: []byte("w"), KeyARN: "a"}, stale), ErrChanged)
	mint(t, s, "acme", 5, "b2")

	arns := []string{"b", "b2"}
	lacking, err := s.DataKeysLacking(ctx, "acme", arns, 0, 2)
	if err != nil || !slices.Equal(ids(lacking), []uint64{1, 2}) {
		t.Fatal(ids(lacking), err)
	}
	for _, old := range lacking {
		if err := s.AddWrap(ctx, old, kms.Wrapped{Blob: []byte("new"), KeyARN: "b"}); err != nil {
			t.Fatal(err)
		}
		mustBe(t, s.AddWrap(ctx, old, kms.Wrapped{Blob: []byte("twice"), KeyARN: "b"}), ErrChanged)
	}
	if lacking, err = s.DataKeysLacking(ctx, "acme", arns, 2, 10); err != nil || !slices.Equal(ids(lacking), []uint64{3}) {
		t.Fatal(ids(lacking), err)
	}
	counts, err := s.Counts(ctx, "acme", arns)
	if err != nil || counts != (Counts{Live: 4, Wrapped: 3}) {
		t.Errorf("%+v, %v", counts, err)
	}
	_, err = s.CompleteReplacement(ctx, "acme", arns, tester)
	var incomplete *IncompleteError
	if !errors.As(err, &incomplete) || incomplete.Remaining != 1 {
		t.Error(err)
	}
	if got := wraps(t, s, 1); got != "1 by a by a, new by b" {
		t.Error(got)
	}
	if err := s.AddWrap(ctx, lacking[0], kms.Wrapped{Blob: []byte("new"), KeyARN: "b2"}); err != nil {
		t.Fatal(err)
	}
	done, err := s.CompleteReplacement(ctx, "acme", arns, tester)
	if err != nil || done != 3 {
		t.Fatal(done, err)
	}
	for id, want := range map[uint64]string{1: "new by b,  by ", 3: "new by b2,  by ", 5: "5 by b2 by b2,  by ", 9: "9 by a by a,  by "} {
		if got := wraps(t, s, id); got != want {
			t.Errorf("%d: %q", id, got)
		}
	}
	if k := orgKey(t, s, "acme"); k.Previous != nil || !k.Replacing.IsZero() || k.Epoch != epoch {
		t.Errorf("%+v", k)
	}
}

// TestReplaceAndBack: a change that is undone half way.
func TestReplaceAndBack(t *testing.T) {
	s, _ := migrated(t)
	ctx := t.Context()
	link(t, s, "acme", "a")
	old := mint(t, s, "acme", 1, "a")
	to := func(arn string) {
		t.Helper()
		if err := s.ReplaceOrgKey(ctx, "acme", Replacement{Key: kms.Key{ARN: arn}}, tester); err != nil {
			t.Fatal(err)
		}
	}
	to("b")
	mint(t, s, "acme", 2, "b")
	if err := s.AddWrap(ctx, old, kms.Wrapped{Blob: []byte("new"), KeyARN: "b"}); err != nil {
		t.Fatal(err)
	}
	to("a")
	lacking, err := s.DataKeysLacking(ctx, "acme", []string{"a"}, 0, 10)
	if err != nil || !slices.Equal(ids(lacking), []uint64{2}) {
		t.Fatal(ids(lacking), err)
	}
	if err := s.AddWrap(ctx, lacking[0], kms.Wrapped{Blob: []byte("back"), KeyARN: "a"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CompleteReplacement(ctx, "acme", []string{"a"}, tester); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[uint64]string{1: "1 by a by a,  by ", 2: "back by a,  by "} {
		if got := wraps(t, s, id); got != want {
			t.Errorf("%d: %q", id, got)
		}
	}
}

// TestReplaceWithoutDataKeys: there is nothing to wait for.
func TestReplaceWithoutDataKeys(t *testing.T) {
	s, _ := migrated(t)
	link(t, s, "acme", "a")
	if err := s.ReplaceOrgKey(t.Context(), "acme", Replacement{Key: kms.Key{ARN: "b"}}, tester); err != nil {
		t.Fatal(err)
	}
	if k := orgKey(t, s, "acme"); k.ARN != "b" || k.Previous != nil {
		t.Errorf("%+v", k)
	}
}

// TestDefaultKey: an org gets its row with its first data key, and changes to a key
// of its own later.
func TestDefaultKey(t *testing.T) {
	s, _ := migrated(t)
	ctx := t.Context()
	whole := OrgKey{Name: "default key", Key: kms.Key{ARN: "d"}, Region: "r"}
	var wg sync.WaitGroup
	for id := range uint64(4) {
		wg.Go(func() {
			k := DataKey{ID: id + 1, Org: "acme", Wrapped: []byte("w"), KeyARN: "d", MintedBy: "p1"}
			for {
				known := Fence{Default: &whole}
				if k, err := s.OrgKey(context.Background(), "acme"); err == nil {
					known = Fence{Epoch: k.Epoch, ARN: k.ARN}
				}
				err := s.InsertDataKey(context.Background(), k, known)
				if errors.Is(err, ErrChanged) {
					continue // another one has made the row
				}
				if err != nil {
					t.Error(err)
				}
				return
			}
		})
	}
	wg.Wait()
	k := orgKey(t, s, "acme")
	if k.Origin != Default || k.ARN != "d" || k.Name != "default key" || k.State != Enabled {
		t.Errorf("%+v", k)
	}
	counts, err := s.AllCounts(ctx)
	if err != nil || counts["acme"] != (Counts{Live: 4}) {
		t.Error(counts, err)
	}
	link(t, s, "acme", "own")
	k = orgKey(t, s, "acme")
	if k.Origin != Own || k.ARN != "own" || k.Previous == nil || k.Previous.ARN != "d" {
		t.Errorf("%+v", k)
	}
	mustBe(t, s.AddOrgKey(ctx, OrgKey{Org: "acme", Key: kms.Key{ARN: "x"}}, tester), ErrExists)
	events, err := s.Events(ctx, "acme", 10)
	if err != nil || len(events) != 2 || events[1].Action != "use default key" || events[0].Action != "add key" || events[0].Detail["previous arn"] != "d" {
		t.Errorf("%+v, %v", events, err)
	}
}

// TestDestroy: the wraps are gone, in the table's files too; the stones tell so.
func TestDestroy(t *testing.T) {
	s, dsn := migrated(t)
	ctx := t.Context()
	link(t, s, "acme", "a")
	link(t, s, "globex", "a")
	mint(t, s, "acme", 1, "a")
	mint(t, s, "globex", 2, "a")
	before := fence(t, s, "acme")
	n, err := s.DestroyOrgKey(ctx, "acme", tester)
	if err != nil || n != 1 {
		t.Fatal(n, err)
	}
	if err := s.Vacuum(ctx); err != nil {
		t.Fatal(err)
	}
	k, err := s.DataKey(ctx, 1)
	if err != nil || k.Wrapped != nil || k.Destroyed.IsZero() {
		t.Errorf("%+v, %v", k, err)
	}
	if k, err := s.DataKey(ctx, 2); err != nil || k.Wrapped == nil || !k.Destroyed.IsZero() {
		t.Errorf("%+v, %v", k, err)
	}
	conn := connect(t, dsn)
	mustExec(t, conn, "CHECKPOINT")
	var found bool
	if err := conn.QueryRow(ctx, `SELECT position('1 by a'::bytea IN pg_read_binary_file(pg_relation_filepath('pgseal.data_keys'))) > 0`).Scan(&found); err != nil || found {
		t.Error("the wrap is still in the table's file:", found, err)
	}
	_, err = s.NewestDataKey(ctx, "acme")
	mustBe(t, err, ErrNotFound)
	mustBe(t, s.InsertDataKey(ctx, DataKey{ID: 3, Org: "acme", Wrapped: []byte("w"), KeyARN: "a"}, before), ErrChanged)
	mustBe(t, s.InsertDataKey(ctx, DataKey{ID: 3, Org: "acme", Wrapped: []byte("w"), KeyARN: "a"}, fence(t, s, "acme")), ErrChanged)
	mustBe(t, s.SetOrgKeyState(ctx, "acme", Enabled, tester), ErrDestroyed)
	mustBe(t, s.RemoveOrgKey(ctx, "acme", tester), ErrDestroyed)
	mustBe(t, s.ReplaceOrgKey(ctx, "acme", Replacement{Key: kms.Key{ARN: "b"}}, tester), ErrDestroyed)
	_, err = s.DestroyOrgKey(ctx, "acme", tester)
	mustBe(t, err, ErrDestroyed)

	destroyed := orgKey(t, s, "acme")
	link(t, s, "acme", "b")
	if k := orgKey(t, s, "acme"); k.State != Enabled || k.ARN != "b" || k.Epoch <= destroyed.Epoch || destroyed.Epoch <= before.Epoch {
		t.Errorf("%+v after %+v", k, destroyed)
	}
	mint(t, s, "acme", 4, "b")
	if counts, err := s.Counts(ctx, "acme", []string{"b"}); err != nil || counts != (Counts{Live: 1, Wrapped: 1, Destroyed: 1}) {
		t.Errorf("%+v, %v", counts, err)
	}
}

func TestRemove(t *testing.T) {
	s, _ := migrated(t)
	ctx := t.Context()
	mustBe(t, s.RemoveOrgKey(ctx, "acme", tester), ErrNotFound)
	link(t, s, "acme", "a")
	first := orgKey(t, s, "acme").Epoch
	if err := s.RemoveOrgKey(ctx, "acme", tester); err != nil {
		t.Fatal(err)
	}
	_, err := s.OrgKey(ctx, "acme")
	mustBe(t, err, ErrNotFound)
	link(t, s, "acme", "a")
	if again := orgKey(t, s, "acme").Epoch; again <= first {
		t.Error("the epoch is not a new one:", first, again)
	}
	mint(t, s, "acme", 1, "a")
	mustBe(t, s.RemoveOrgKey(ctx, "acme", tester), ErrInUse)
}

func TestUpdate(t *testing.T) {
	s, _ := migrated(t)
	ctx := t.Context()
	name, replicas, role := "n", []string{"r1", "r2"}, "role"
	mustBe(t, s.UpdateOrgKey(ctx, "acme", Update{Name: &name}, tester), ErrNotFound)
	link(t, s, "acme", "a")
	before := orgKey(t, s, "acme")
	for range 2 { // the second time there is nothing to do
		if err := s.UpdateOrgKey(ctx, "acme", Update{Name: &name, Replicas: &replicas, RoleARN: &role}, tester); err != nil {
			t.Fatal(err)
		}
	}
	k := orgKey(t, s, "acme")
	if k.Name != name || !slices.Equal(k.Replicas, replicas) || k.RoleARN != role || k.ARN != "a" || k.Epoch != before.Epoch {
		t.Errorf("%+v", k)
	}
	events, err := s.Events(ctx, "acme", 10)
	if err != nil || len(events) != 2 || events[0].Action != "change key" || events[0].Detail["replicas"] != "r1 r2" {
		t.Errorf("%+v, %v", events, err)
	}
}

// TestFenceHolds: a key that is disabled while a data key is being stored either
// waits for it, or keeps it out.
func TestFenceHolds(t *testing.T) {
	s, dsn := migrated(t)
	ctx := t.Context()
	link(t, s, "acme", "a")
	known := fence(t, s, "acme")
	conn := connect(t, dsn)
	tx, err := conn.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockOrgKey(ctx, tx, "acme"); err != nil {
		t.Fatal(err)
	}
	stored := make(chan error, 1)
	go func() {
		stored <- s.InsertDataKey(context.Background(), DataKey{ID: 1, Org: "acme", Wrapped: []byte("w"), KeyARN: "a"}, known)
	}()
	other := connect(t, dsn)
	for waiting := 0; waiting == 0; {
		if err := other.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()").Scan(&waiting); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := tx.Exec(ctx, "UPDATE pgseal.org_keys SET state = 'disabled', epoch = "+nextEpoch+" WHERE org = 'acme'"); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	mustBe(t, <-stored, ErrChanged)
}
