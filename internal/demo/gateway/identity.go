package gateway

import (
	"context"
	"crypto/subtle"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Whose request it is, the API key says. From there the org goes with the context,
// and to the upstream services in W3C baggage, so that every span of a trace has it.

const (
	apiKeyHeader  = "X-Api-Key"
	traceIDHeader = "X-Trace-Id" // of the answer
	orgAttribute  = "org.id"     // of each span; a column of its own in the store
)

// APIKey is the key by which an org's requests are known.
func APIKey(org string) string { return "key_live_" + org + "_51Hc0qR7sT" }

func (g *Gateway) orgOf(r *http.Request) (string, bool) {
	for _, org := range g.orgs {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get(apiKeyHeader)), []byte(APIKey(org))) == 1 {
			return org, true
		}
	}
	return "", false
}

// withOrg puts the org into the context and onto the span that is under way.
func withOrg(ctx context.Context, org string) (context.Context, error) {
	member, err := baggage.NewMember(orgAttribute, org)
	if err != nil {
		return nil, err
	}
	bag, err := baggage.FromContext(ctx).SetMember(member)
	if err != nil {
		return nil, err
	}
	trace.SpanFromContext(ctx).SetAttributes(attribute.String(orgAttribute, org))
	return baggage.ContextWithBaggage(ctx, bag), nil
}

// orgOnEverySpan copies the org from the context to each span that starts.
type orgOnEverySpan struct{}

func (orgOnEverySpan) OnStart(ctx context.Context, s sdktrace.ReadWriteSpan) {
	if org := baggage.FromContext(ctx).Member(orgAttribute).Value(); org != "" {
		s.SetAttributes(attribute.String(orgAttribute, org))
	}
}

func (orgOnEverySpan) OnEnd(sdktrace.ReadOnlySpan)      {}
func (orgOnEverySpan) Shutdown(context.Context) error   { return nil }
func (orgOnEverySpan) ForceFlush(context.Context) error { return nil }
