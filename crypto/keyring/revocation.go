package keyring

import "time"

// Revocation is how long it takes at worst until values can't be read any more in a
// process, on an org's key being taken away. The time that AWS KMS itself needs
// until a change is seen everywhere is not in it ("eventual consistency": most often
// less than a few seconds, at times some minutes).
type Revocation struct {
	// Refused: from when KMS says no to whoever asks for the key.
	Refused time.Duration
	// Silent: from when KMS does not answer any more.
	Silent time.Duration
	// Withdrawn: from pgseal keys disable, destroy and the like, where the keystore
	// can't tell of it. It takes a second otherwise.
	Withdrawn time.Duration
}

// WorstCase computes the times from a keyring's options.
//
// With i the health interval, s the spread of a tenth of it, and t the timeout of a
// call:
//
//	Refused   = gap + s + t
//	Silent    = MaxStale
//	Withdrawn = i + t
//
// A check begins i or less after the one before, waits for s or less where there are
// many orgs, and has its answer within t. A check that was begun just before KMS
// said no, and hangs, holds up the next one: it may take s, and t for the keystore
// and t for KMS. So the gap between two is i, or as many times i as it takes to fit
// that into intervals of i - s. The same holds for reading the keystore, which takes t.
//
// A statement that is under way adds nothing: the key is asked about for each value.
// An org that alone is denied a key which others share is asked about after them,
// which takes t again.
func WorstCase(o Options) Revocation {
	o = o.withDefaults()
	spread := o.HealthInterval / 10
	gap := func(longest time.Duration) time.Duration {
		shortest := o.HealthInterval - spread
		return max(1, (longest+shortest-1)/shortest) * o.HealthInterval
	}
	return Revocation{
		Refused:   gap(spread+2*o.Timeout) + spread + o.Timeout,
		Silent:    o.MaxStale,
		Withdrawn: gap(o.Timeout) + o.Timeout,
	}
}
