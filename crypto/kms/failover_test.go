package kms

import (
	"context"
	"slices"
	"testing"
	"time"
)

// TestOrder: a Region that was silent goes last for a moment, and then one call
// alone tries it first.
func TestOrder(t *testing.T) {
	now := time.Now()
	f := Failover(nil).(*failover)
	f.now = func() time.Time { return now }
	all := []string{mrkFrankfurt, mrkDublin, mrkParis}
	asked := func(what string, want ...string) {
		t.Helper()
		if got := f.order(all); !slices.Equal(got, want) {
			t.Errorf("%s: %v", what, got)
		}
	}
	asked("at the start", mrkFrankfurt, mrkDublin, mrkParis)
	f.passBy(mrkFrankfurt)
	asked("Frankfurt is silent", mrkDublin, mrkParis, mrkFrankfurt)
	f.passBy(mrkDublin)
	asked("Dublin too", mrkParis, mrkFrankfurt, mrkDublin)
	f.passBy(mrkParis)
	asked("all of them", mrkFrankfurt, mrkDublin, mrkParis)
	now = now.Add(passBy)
	asked("one tries Frankfurt", mrkFrankfurt, mrkDublin, mrkParis)
	asked("and one Dublin", mrkDublin, mrkParis, mrkFrankfurt)
	asked("and one Paris", mrkParis, mrkFrankfurt, mrkDublin)
	f.answered(mrkParis, "Check", nil)
	asked("Paris answers", mrkParis, mrkFrankfurt, mrkDublin)
	f.answered(mrkFrankfurt, "Check", nil)
	asked("Frankfurt answers", mrkFrankfurt, mrkParis, mrkDublin)
}

// TestShare: a Region that hangs leaves half of the time for the next.
func TestShare(t *testing.T) {
	deadlineOf := func(ctx context.Context) (time.Time, error) {
		d, _ := ctx.Deadline()
		return d, nil
	}
	if d, _ := withShare(t.Context(), 2, deadlineOf); !d.IsZero() {
		t.Errorf("a deadline from nowhere: %v", d)
	}
	end := time.Now().Add(time.Hour)
	ctx, cancel := context.WithDeadline(t.Context(), end)
	defer cancel()
	if d, _ := withShare(ctx, 1, deadlineOf); !d.Equal(end) {
		t.Errorf("the last one has all: %v", d)
	}
	before := time.Now()
	d, _ := withShare(ctx, 2, deadlineOf)
	after := time.Now()
	if d.Before(before.Add(end.Sub(after)/2)) || d.After(after.Add(end.Sub(before)/2)) {
		t.Errorf("the first of two has until %v of %v", d, end)
	}
}
