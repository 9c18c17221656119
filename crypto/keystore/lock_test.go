package keystore

import "testing"

func TestLockRewrap(t *testing.T) {
	s, _ := migrated(t)
	lock := func(org, by string) (unlock func(), holder string) {
		t.Helper()
		unlock, holder, err := s.LockRewrap(t.Context(), org, by)
		if err != nil {
			t.Fatal(err)
		}
		return unlock, holder
	}
	// What ends transactions that do nothing spares it.
	const setTimeout = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET idle_in_transaction_session_timeout = 1', current_database()); END $$"
	if _, err := s.pool.Exec(t.Context(), setTimeout); err != nil {
		t.Fatal(err)
	}
	first, _ := lock("acme", "host-1")
	if _, err := s.pool.Exec(t.Context(), "SELECT pg_sleep(0.02)"); err != nil {
		t.Fatal(err)
	}
	if first == nil {
		t.Fatal("not locked")
	}
	if second, holder := lock("acme", "host-2"); second != nil || holder != "host-1" {
		t.Errorf("locked twice: %v, holder %q", second != nil, holder)
	}
	other, _ := lock("globex", "host-2")
	if other == nil {
		t.Fatal("another org's lock is held")
	}
	other()
	first()
	again, _ := lock("acme", "host-2")
	if again == nil {
		t.Fatal("still locked")
	}
	again()
}
