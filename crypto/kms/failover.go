package kms

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/pgseal/pgseal/internal/secret"
)

// Failover lets a multi-Region key's other Regions answer where one does not.
//
//   - A key's own ARN is tried first, then its Replicas in their order, on
//     silence only. The first answer counts, a no as well: each Region's key has
//     a state and a policy of its own, and an organisation that withdraws one
//     has withdrawn its key.
//   - A Region that said no has to take it back itself: while it is silent, none
//     that comes after it stands in for it.
//   - Only Regions of one multi-Region key stand in for each other
//     (SameKey). Replicas that are of another key, and those of an alias, of
//     which nobody knows what it stands for while its Region is silent, are
//     never asked.
//   - A Region that did not answer is asked last for a moment, so that an outage
//     costs one call's wait and not each call's. After it, one call tries the
//     Region again while the others still pass it by.
//   - While ctx has a deadline, a Region gets its share of the time that is
//     left: half of it with one more to come.
//
// The data key is the same wherever it is unwrapped: Regions of a multi-Region
// key have the same key material
// (https://docs.aws.amazon.com/kms/latest/developerguide/multi-region-keys-overview.html).
func Failover(p Provider) Provider {
	return &failover{Provider: p, now: time.Now, silent: map[string]time.Time{}, refused: map[string]map[string]bool{}}
}

// passBy is how long a Region that did not answer is asked last.
const passBy = 10 * time.Second

type failover struct {
	Provider
	now func() time.Time

	mu      sync.Mutex
	silent  map[string]time.Time       // by Region: until when it is asked last
	refused map[string]map[string]bool // by ARN: the calls that it said no to the last time
}

var (
	_ Provider    = (*failover)(nil)
	_ ReEncrypter = (*failover)(nil)
	_ Describer   = (*failover)(nil)
)

func (f *failover) GenerateDataKey(ctx context.Context, key Key, ec map[string]string) (Generated, error) {
	return inTurn(ctx, f, "GenerateDataKey", key, func(ctx context.Context, key Key) (Generated, error) {
		return f.Provider.GenerateDataKey(ctx, key, ec)
	})
}

func (f *failover) Encrypt(ctx context.Context, key Key, plaintext secret.Bytes, ec map[string]string) (Wrapped, error) {
	return inTurn(ctx, f, "Encrypt", key, func(ctx context.Context, key Key) (Wrapped, error) {
		return f.Provider.Encrypt(ctx, key, plaintext, ec)
	})
}

func (f *failover) Decrypt(ctx context.Context, key Key, wrapped []byte, ec map[string]string) (secret.Bytes, error) {
	return inTurn(ctx, f, "Decrypt", key, func(ctx context.Context, key Key) (secret.Bytes, error) {
		return f.Provider.Decrypt(ctx, key, wrapped, ec)
	})
}

func (f *failover) Check(ctx context.Context, key Key) (KeyState, error) {
	return inTurn(ctx, f, "Check", key, f.Provider.Check)
}

// Describe implements Describer.
func (f *failover) Describe(ctx context.Context, key Key) (KeyState, error) {
	return inTurn(ctx, f, "Describe", key, func(ctx context.Context, key Key) (KeyState, error) {
		return Describe(ctx, f.Provider, key)
	})
}

// ReEncrypt implements ReEncrypter: in each Region that both keys have.
func (f *failover) ReEncrypt(ctx context.Context, from Key, wrapped []byte, to Key, ec map[string]string) (Wrapped, error) {
	sources := from.regions()
	shared := to
	shared.Replicas = slices.DeleteFunc(slices.Clone(to.Replicas), func(arn string) bool { return inRegionOf(sources, arn) == "" })
	if inRegionOf(sources, to.ARN) == "" && len(shared.Replicas) > 0 {
		shared.ARN, shared.Replicas = shared.Replicas[0], shared.Replicas[1:]
	}
	return inTurn(ctx, f, "ReEncrypt", shared, func(ctx context.Context, to Key) (Wrapped, error) {
		source := from
		if arn := inRegionOf(sources, to.ARN); arn != "" {
			source.ARN = arn
		}
		return ReEncrypt(ctx, f.Provider, source, wrapped, to, ec)
	})
}

// inTurn makes the call in one Region after the other until one answers.
func inTurn[T any](ctx context.Context, f *failover, op string, key Key, call func(context.Context, Key) (T, error)) (T, error) {
	arns := key.regions()
	if len(arns) == 1 || ctx.Err() != nil {
		return call(ctx, key)
	}
	var failed []error
	for i, arn := range f.order(arns) {
		key.ARN, key.Replicas = arn, nil
		out, err := withShare(ctx, len(arns)-i, func(ctx context.Context) (T, error) { return call(ctx, key) })
		if f.answered(arn, op, err) {
			return out, err
		}
		failed = append(failed, err)
		if AsError(err).Reason == ReasonCredentials || errors.Is(ctx.Err(), context.Canceled) {
			break // no Region is to blame, and none would do better
		}
		f.passBy(arn)
		if ctx.Err() != nil || f.saidNo(arn) {
			break
		}
	}
	var none T
	if len(failed) == 1 {
		return none, failed[0]
	}
	first := AsError(failed[0])
	return none, &Error{Op: op, Key: first.Key, Reason: first.Reason, Err: errors.Join(failed...)}
}

// withShare makes a call in its share of the time that is left for so many.
func withShare[T any](ctx context.Context, calls int, call func(context.Context) (T, error)) (T, error) {
	deadline, ok := ctx.Deadline()
	if !ok || calls == 1 {
		return call(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Until(deadline)/time.Duration(calls))
	defer cancel()
	return call(ctx)
}

// order puts the ARNs of Regions that are passed by for now last, but for one
// that said no. One whose moment is over keeps its place, for the caller alone:
// for others it is passed by until the caller knows better.
func (f *failover) order(arns []string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	first, last := make([]string, 0, len(arns)), []string(nil)
	now := f.now()
	for _, arn := range arns {
		until, silent := f.silent[region(arn)]
		switch {
		case !silent, len(f.refused[arn]) > 0:
			first = append(first, arn)
		case now.Before(until):
			last = append(last, arn)
		default:
			if len(first) == 0 { // else it is asked in need only
				f.silent[region(arn)] = now.Add(passBy)
			}
			first = append(first, arn)
		}
	}
	return append(first, last...)
}

func (f *failover) passBy(arn string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.silent[region(arn)] = f.now().Add(passBy)
}

// saidNo tells whether the last answer to some call was a no.
func (f *failover) saidNo(arn string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.refused[arn]) > 0
}

// answered tells whether a call was answered, and notes it and how.
func (f *failover) answered(arn, op string, err error) bool {
	e := &Error{}
	if err != nil && !errors.Is(err, ErrReEncrypt) {
		if e = AsError(err); !e.Refused && !e.Damaged {
			return false
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.silent, region(arn))
	switch no := f.refused[arn]; {
	case e.Refused && no == nil:
		f.refused[arn] = map[string]bool{op: true}
	case e.Refused:
		no[op] = true
	case err == nil:
		delete(no, op)
		if len(no) == 0 {
			delete(f.refused, arn)
		}
	}
	return true
}
