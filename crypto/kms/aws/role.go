package aws

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"golang.org/x/sync/singleflight"
)

// role is the credentials of a role that pgseal assumes for an org's key, by STS of
// the key's own Region, so that no other Region's trouble is this key's.
//
// The role is assumed anew every so often, though its credentials are good for
// longer: an organisation that takes its trust away has withdrawn its key, and STS
// tells of that only when it is asked. Its no ends the credentials that there are.
// While STS does not answer, they serve on until they expire.
//
// Times are of the monotonic clock, which the SDK's own cache of credentials does
// not go by: a clock that is set back would put the next question to STS off.
type role struct {
	arn   string
	sts   *stscreds.AssumeRoleProvider
	renew time.Duration
	// timeout is half of a call's time: where STS hangs and the last credentials
	// serve on, there is time left for KMS.
	timeout time.Duration
	now     func() time.Time

	flight singleflight.Group

	mu      sync.Mutex
	last    aws.Credentials // none after a no
	ask     time.Time       // when STS is asked again
	expires time.Time
}

const (
	// sessionName is what CloudTrail of the role's account shows.
	sessionName = "pgseal"
	// retryRole is how long a role whose STS did not answer is not assumed anew.
	retryRole = 15 * time.Second
)

func (p *Provider) assume(as caller) *role {
	client := sts.NewFromConfig(p.config, func(o *sts.Options) {
		o.Region = as.region
		if p.options.STSEndpoint != "" {
			o.BaseEndpoint = &p.options.STSEndpoint
			o.EndpointOptions.UseFIPSEndpoint = aws.FIPSEndpointStateDisabled // the endpoint is taken as it is
		}
	})
	return &role{
		arn: as.roleARN, renew: p.options.RoleRenewal, timeout: p.options.Timeout / 2, now: time.Now,
		sts: stscreds.NewAssumeRoleProvider(client, as.roleARN, func(o *stscreds.AssumeRoleOptions) {
			o.RoleSessionName = sessionName
			if as.externalID != "" {
				o.ExternalID = &as.externalID
			}
		}),
	}
}

// Retrieve implements aws.CredentialsProvider. The SDK calls it for each request.
func (r *role) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if c, ok := r.fresh(); ok {
		return c, nil
	}
	done := r.flight.DoChan("", func() (any, error) { return r.assumed() })
	select {
	case result := <-done:
		return result.Val.(aws.Credentials), result.Err
	case <-ctx.Done():
		return aws.Credentials{}, &roleError{r.arn, ctx.Err()}
	}
}

// fresh gives the credentials while STS need not be asked.
func (r *role) fresh() (aws.Credentials, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last, r.last.HasKeys() && r.now().Before(r.ask)
}

// assumed asks STS. It runs once at a time, in a time of its own.
func (r *role) assumed() (aws.Credentials, error) {
	if c, ok := r.fresh(); ok {
		return c, nil // the flight before this one has brought them
	}
	ctx, cancel := context.WithTimeout(context.Background(), r.timeout)
	defer cancel()
	asked := r.now()
	c, err := r.sts.Retrieve(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		c.CanExpire = false // the SDK would go by the wall clock
		r.last, r.ask, r.expires = c, asked.Add(r.renew), asked.Add(stscreds.DefaultDuration)
		return c, nil
	}
	err = &roleError{r.arn, err}
	if classify("", "", err).Refused || !r.now().Before(r.expires) {
		r.last = aws.Credentials{}
	}
	if !r.last.HasKeys() {
		return aws.Credentials{}, err
	}
	r.ask = r.now().Add(min(r.renew, retryRole))
	return r.last, nil
}

// roleError is a role that could not be assumed.
type roleError struct {
	role string
	err  error
}

func (e *roleError) Error() string { return fmt.Sprintf("assume role %s: %v", e.role, e.err) }
func (e *roleError) Unwrap() error { return e.err }
