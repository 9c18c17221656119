package aws

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/internal/secret"
)

// caller is as whom, and in which Region, calls are made.
type caller struct{ region, roleARN, externalID string }

// maxClients bounds the clients that are kept. It is far above what a platform has
// of Regions and roles at work at one time, and only holds off a keystore in which
// roles change without end.
const maxClients = 10_000

// client gives the client for a key: of the Region that its ARN names, with the
// credentials of its role, if it has one.
func (p *Provider) client(op string, key kms.Key) (*awskms.Client, error) {
	parsed, err := parse(op, key.ARN)
	if err != nil {
		return nil, err
	}
	as := caller{parsed.Region, key.RoleARN, key.ExternalID}
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.clients[as]; c != nil {
		return c, nil
	}
	if len(p.clients) >= maxClients {
		clear(p.clients)
	}
	c := awskms.NewFromConfig(p.config, func(o *awskms.Options) {
		o.Region = as.region
		if p.options.Endpoint != "" {
			o.BaseEndpoint = &p.options.Endpoint
		}
		if as.roleARN != "" {
			o.Credentials = aws.NewCredentialsCache(p.assume(as))
		}
	})
	p.clients[as] = c
	return c, nil
}

func parse(op, arn string) (ARN, error) {
	a, err := ParseARN(arn)
	if err != nil {
		return a, &kms.Error{Op: op, Key: arn, Refused: true, Reason: "InvalidArnException", Err: err}
	}
	return a, nil
}

// role is the credentials of a role that pgseal assumes for an org's key, by STS of
// the key's own Region, so that no other Region's trouble is this key's.
//
// The role is assumed anew every so often, though its credentials are good for
// longer: an organisation that takes its trust away has withdrawn its key, and STS
// tells of that only when it is asked. While STS does not answer, the credentials
// serve on until they expire.
type role struct {
	sts     *stscreds.AssumeRoleProvider
	arn     string
	renew   time.Duration
	timeout time.Duration

	mu      sync.Mutex
	expires time.Time // of the credentials that were given out last, as STS says
}

// sessionName is what CloudTrail of the role's account shows.
const sessionName = "pgseal"

func (p *Provider) assume(as caller) *role {
	client := sts.NewFromConfig(p.config, func(o *sts.Options) {
		o.Region = as.region
		if p.options.STSEndpoint != "" {
			o.BaseEndpoint = &p.options.STSEndpoint
			o.EndpointOptions.UseFIPSEndpoint = aws.FIPSEndpointStateDisabled // the endpoint is taken as it is
		}
	})
	// STS gets half of a call's time: where it hangs and the last credentials serve
	// on, there is time left for KMS.
	return &role{arn: as.roleARN, renew: p.options.RoleRenewal, timeout: p.options.Timeout / 2,
		sts: stscreds.NewAssumeRoleProvider(client, as.roleARN, func(o *stscreds.AssumeRoleOptions) {
			o.RoleSessionName = sessionName
			if as.externalID != "" {
				o.ExternalID = &as.externalID
			}
		})}
}

// Retrieve implements aws.CredentialsProvider. The cache in front of it asks once
// at a time, with a context that does not end.
func (r *role) Retrieve(ctx context.Context) (aws.Credentials, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	c, err := r.sts.Retrieve(ctx)
	if err != nil {
		return aws.Credentials{}, &roleError{r.arn, err}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expires = c.Expires
	return r.until(c, time.Now().Add(r.renew)), nil
}

// HandleFailToRefresh implements aws.HandleFailRefreshCredentialsCacheStrategy.
func (r *role) HandleFailToRefresh(_ context.Context, last aws.Credentials, err error) (aws.Credentials, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if classify("", "", err).Refused || !last.HasKeys() || !time.Now().Before(r.expires) {
		return aws.Credentials{}, err
	}
	return r.until(last, time.Now().Add(min(r.renew, retryRole))), nil
}

// retryRole is how long a role whose STS did not answer is not assumed anew.
const retryRole = 15 * time.Second

// until gives credentials that the cache keeps until a time, or their own end. r.mu
// is held.
func (r *role) until(c aws.Credentials, end time.Time) aws.Credentials {
	if r.expires.Before(end) {
		end = r.expires
	}
	c.CanExpire, c.Expires = true, end
	return c
}

// roleError is a role that could not be assumed.
type roleError struct {
	role string
	err  error
}

func (e *roleError) Error() string { return fmt.Sprintf("assume role %s: %v", e.role, e.err) }
func (e *roleError) Unwrap() error { return e.err }

// httpClient is the SDK's own, with the configured proxy in place of the
// environment's. What a machine tells its programs of itself (instance, task and
// pod credentials) is reached without it.
func httpClient(proxy secret.Text) (*awshttp.BuildableClient, error) {
	client := awshttp.NewBuildableClient()
	if proxy == "" {
		return client, nil
	}
	u, err := url.Parse(proxy.Reveal())
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("proxy: not a URL such as http://proxy.internal:3128") // which may hold a password
	}
	return client.WithTransportOptions(func(t *http.Transport) {
		t.Proxy = func(r *http.Request) (*url.URL, error) {
			if ofThisMachine(r.URL.Hostname()) {
				return nil, nil
			}
			return u, nil
		}
	}), nil
}

// metadataIPv6 has the addresses of IPv6 that are not link-local
// (https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html,
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html).
var metadataIPv6 = netip.MustParsePrefix("fd00:ec2::/32")

func ofThisMachine(host string) bool {
	if ip := net.ParseIP(host); ip != nil && ip.IsLinkLocalUnicast() {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && metadataIPv6.Contains(ip)
}
