package keyring

import (
	"context"

	"github.com/pgseal/pgseal/crypto/kms"
)

const (
	// orgCalls is how many KMS calls of one org run at once, health checks aside.
	orgCalls = 8
	// sharedCalls is how many run at once of all orgs, but for one of each: that one
	// an org always may make, so that orgs whose KMS hangs do not use up what others
	// need.
	sharedCalls = 128
)

// places bounds an org's KMS calls.
type places struct {
	all    chan struct{} // of the org
	own    chan struct{} // the one that is always free for the org
	shared chan struct{} // of all orgs
}

func newPlaces(shared chan struct{}) places {
	return places{all: make(chan struct{}, orgCalls), own: make(chan struct{}, 1), shared: shared}
}

// enter waits for a place; leave gives it back.
func (p places) enter(ctx context.Context) (leave func(), err error) {
	select {
	case p.all <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	taken := p.own
	select {
	case p.own <- struct{}{}:
	default:
		select {
		case p.own <- struct{}{}:
		case p.shared <- struct{}{}:
			taken = p.shared
		case <-ctx.Done():
			<-p.all
			return nil, ctx.Err()
		}
	}
	return func() { <-taken; <-p.all }, nil
}

// call runs one KMS call of the org in one of its places.
func (r *Keyring) call(ctx context.Context, o *org, op string, f func(context.Context) error) *kms.Error {
	ctx, cancel := context.WithTimeout(ctx, r.options.Timeout)
	defer cancel()
	leave, err := o.places.enter(ctx)
	if err != nil {
		return kms.AsError(err)
	}
	defer leave()
	return r.timed(ctx, op, f)
}

// timed runs one KMS call with the keyring's timeout, and counts it. The error is
// a *kms.Error.
func (r *Keyring) timed(ctx context.Context, op string, f func(context.Context) error) *kms.Error {
	ctx, cancel := context.WithTimeout(ctx, r.options.Timeout)
	defer cancel()
	start := r.now()
	err := f(ctx)
	r.metrics.called(op, err, r.now()-start)
	if err == nil {
		return nil
	}
	return kms.AsError(err)
}
