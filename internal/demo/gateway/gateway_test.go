package gateway

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func start(t *testing.T) (*Gateway, string) {
	t.Helper()
	dsn, ctx := pgtest.Database(t), context.Background()
	for range 2 { // a second time changes nothing
		if err := Migrate(ctx, dsn); err != nil {
			t.Fatal(err)
		}
	}
	g, err := New(ctx, Options{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return g, dsn
}

func traffic(t *testing.T, g *Gateway, n int) []Sent {
	t.Helper()
	sent, err := g.Traffic(context.Background(), n)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	return sent
}

func exec(t *testing.T, dsn, sql string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, sql); err != nil {
		t.Fatal(err)
	}
}

func TestTrafficIsStored(t *testing.T) {
	g, _ := start(t)
	ctx := context.Background()
	sent := traffic(t, g, 12)
	statuses := map[int]int{}
	for _, s := range sent {
		statuses[s.Status]++
		spans, err := g.Trace(ctx, s.Org, s.TraceID)
		if err != nil {
			t.Fatal(err)
		}
		if len(spans) == 0 || spans[0].ParentID != nil || spans[0].Kind != "server" || !strings.HasPrefix(spans[0].Name, s.Method+" /v1/") {
			t.Errorf("%s %s: the trace of %d spans does not begin with the request", s.Method, s.Path, len(spans))
			continue
		}
		for _, span := range spans {
			if span.Org != s.Org || strings.Contains(string(span.Attributes), `"org.id"`) || span.Ended.Before(span.Started) {
				t.Errorf("%s: org %s, %s to %s", span.Name, span.Org, span.Started, span.Ended)
			}
		}
	}
	for status, want := range map[int]int{201: 2, 200: 4, 401: 2, 500: 2, 502: 2} {
		if statuses[status] != want {
			t.Errorf("%d answers of status %d, want %d", statuses[status], status, want)
		}
	}
	for _, org := range g.Orgs() {
		requests, err := g.Recent(ctx, org, 100)
		if err != nil {
			t.Fatal(err)
		}
		if len(requests) != 6 {
			t.Errorf("%d requests of %s, want 6", len(requests), org)
		}
		if g.Failures(org) != 0 {
			t.Errorf("%d failures of %s", g.Failures(org), org)
		}
	}
}

func TestATraceIsNested(t *testing.T) {
	g, _ := start(t)
	s := traffic(t, g, 1)[0]
	spans, err := g.Trace(context.Background(), s.Org, s.TraceID)
	if err != nil {
		t.Fatal(err)
	}
	byName, byID := map[string]Span{}, map[string]Span{}
	for _, span := range spans {
		byName[span.Name], byID[span.SpanID] = span, span
	}
	parent := func(span Span) string {
		if span.ParentID == nil {
			return ""
		}
		return byID[*span.ParentID].Name
	}
	root := "POST /v1/orders"
	charge, ok := byName["POST /payments/charge"]
	if !ok || len(spans) != 4 {
		t.Fatalf("the trace has %d spans: %v", len(spans), slices.Sorted(maps.Keys(byName)))
	}
	call := byID[*charge.ParentID]
	if parent(byName["orders.price"]) != root || call.Kind != "client" || parent(call) != root {
		t.Errorf("price is under %q, charge under a %s span under %q", parent(byName["orders.price"]), call.Kind, parent(call))
	}
	var sent order
	if err := json.Unmarshal([]byte(s.Body), &sent); err != nil {
		t.Fatal(err)
	}
	var attributes map[string]any
	if err := json.Unmarshal(byName[root].Attributes, &attributes); err != nil {
		t.Fatal(err)
	}
	if attributes["customer.email"] != sent.Email || attributes["card.last4"] != sent.Card[len(sent.Card)-4:] ||
		!strings.HasPrefix(attributes["http.request.header.authorization"].(string), "Bearer session-of-") {
		t.Errorf("attributes: %v", attributes)
	}
	var events []Event
	if err := json.Unmarshal(byName["orders.price"].Events, &events); err != nil {
		t.Fatal(err)
	}
	if len(events) != 1 || events[0].Name != "priced" || events[0].At.IsZero() {
		t.Errorf("events: %+v", events)
	}
}

func TestAFailureIsAnException(t *testing.T) {
	g, _ := start(t)
	sent := traffic(t, g, 10)
	s := sent[8]
	spans, err := g.Trace(context.Background(), s.Org, s.TraceID)
	if err != nil || s.Status != 500 || len(spans) != 2 {
		t.Fatalf("%s gave %d, %d spans, %v", s.Path, s.Status, len(spans), err)
	}
	span := spans[1]
	if span.Status != "error" || !strings.Contains(string(span.Events), "exception.stacktrace") || !strings.Contains(string(span.Events), "payroll.xlsx") {
		t.Errorf("%s is %s with the events %s", span.Name, span.Status, span.Events)
	}
}

func TestTheRequestLogHasPayloads(t *testing.T) {
	g, _ := start(t)
	sent := traffic(t, g, 3)
	for _, want := range []Sent{sent[0], sent[2]} {
		requests, err := g.Recent(context.Background(), want.Org, 10)
		if err != nil {
			t.Fatal(err)
		}
		var got Request
		for _, r := range requests {
			if r.TraceID == want.TraceID {
				got = r
			}
		}
		if got.Body == nil || *got.Body != want.Body || got.Path != want.Path || got.Method != want.Method || got.Status != want.Status {
			t.Errorf("%s %s is logged as %+v", want.Method, want.Path, got)
		}
		if !json.Valid(got.Response) || !strings.Contains(string(got.Headers), APIKey(want.Org)) {
			t.Errorf("headers %s, answer %q", got.Headers, got.Response)
		}
	}
}

func TestTrafficIsTheSameEachTime(t *testing.T) {
	first, _ := start(t)
	second, _ := start(t)
	a, b := traffic(t, first, 14), append(traffic(t, second, 5), traffic(t, second, 9)...)
	for i := range a {
		a[i].TraceID, b[i].TraceID = "", ""
		if a[i] != b[i] {
			t.Errorf("request %d: %+v and %+v", i, a[i], b[i])
		}
	}
}

func TestAnUnknownCustomerLeavesNothing(t *testing.T) {
	g, dsn := start(t)
	res, err := http.Get(g.URL() + "/v1/invoices/inv-1")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusUnauthorized {
		t.Errorf("status %d, want 401", res.StatusCode)
	}
	if err := g.Flush(context.Background()); err != nil {
		t.Error(err)
	}
	exec(t, dsn, `DO $$ BEGIN ASSERT (SELECT count(*) FROM spans) = 0 AND (SELECT count(*) FROM request_logs) = 0; END $$`)
}

func TestBadRequests(t *testing.T) {
	g, _ := start(t)
	for _, test := range []struct {
		method, path, body string
		want               int
	}{
		{"POST", "/v1/orders", `{`, 400},
		{"POST", "/v1/orders", `{"card":"1"}`, 400},
		{"POST", "/v1/chat/completions", `{}`, 400},
		{"POST", "/v1/login", `[]`, 400},
		{"GET", "/v1/invoices/none", ``, 404},
		{"GET", "/v1/nothing", ``, 404},
		{"POST", "/v1/login", strings.Repeat(" ", bodyLimit+1), 413},
	} {
		req, err := http.NewRequest(test.method, g.URL()+test.path, strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set(apiKeyHeader, APIKey("acme"))
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != test.want {
			t.Errorf("%s %s: %d, want %d", test.method, test.path, res.StatusCode, test.want)
		}
	}
	if err := g.Flush(context.Background()); err != nil {
		t.Error(err)
	}
}

// TestOneOrgsTroubleIsItsOwn has the database refuse acme's rows, as it would under
// a withdrawn key.
func TestOneOrgsTroubleIsItsOwn(t *testing.T) {
	g, dsn := start(t)
	ctx := context.Background()
	exec(t, dsn, `ALTER TABLE spans ADD CONSTRAINT no_acme CHECK (org_id <> 'acme');
		ALTER TABLE request_logs ADD CONSTRAINT no_acme CHECK (org_id <> 'acme')`)
	sent, err := g.Traffic(ctx, 40)
	if err != nil {
		t.Fatalf("the customers' requests failed: %v", err)
	}
	err = g.Flush(ctx)
	if err == nil || !strings.Contains(err.Error(), "no_acme") || !strings.Contains(err.Error(), "more") {
		t.Errorf("Flush gives %v, want acme's failures and the number of the rest", err)
	}
	if g.Failures("acme") < 20 || g.Failures("globex") != 0 {
		t.Errorf("%d failures of acme, %d of globex", g.Failures("acme"), g.Failures("globex"))
	}
	requests, err := g.Recent(ctx, "globex", 100)
	if err != nil || len(requests) != 20 {
		t.Errorf("%d requests of globex, %v; want 20", len(requests), err)
	}
	if spans, err := g.Trace(ctx, "globex", sent[1].TraceID); err != nil || len(spans) == 0 {
		t.Errorf("%d spans of globex, %v", len(spans), err)
	}
	if err := g.Flush(ctx); err != nil {
		t.Errorf("a second Flush gives the same failures again: %v", err)
	}
}

func TestNewWithoutADatabase(t *testing.T) {
	g, err := New(context.Background(), Options{DSN: "postgres://nobody@127.0.0.1:1/none?connect_timeout=2"})
	if err == nil {
		_ = g.Close(context.Background())
		t.Fatal("a gateway without a database started")
	}
}
