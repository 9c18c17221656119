package aws

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"

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
			o.Credentials = p.assume(as)
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
