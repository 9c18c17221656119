package telemetry

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"
)

type readyFunc func() error

func (f readyFunc) Ready() error { return f() }

func TestReadyz(t *testing.T) {
	when := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	fine := func() error { return nil }
	tests := map[string]struct {
		catalog, keystore error
		orgs              []OrgState
		stopping          bool
		status            int
		body              string
	}{
		"ready": {nil, nil, nil, false, http.StatusOK,
			`{"state":"ready","catalog":{"state":"ok"},"keystore":{"state":"ok"},"orgs":[]}`},
		"an org's key is off": {nil, nil, []OrgState{{"acme", "ok", "", when}, {"globex", "refused", "disabled in KMS", when}}, false, http.StatusOK,
			`{"state":"degraded","catalog":{"state":"ok"},"keystore":{"state":"ok"},"orgs":[{"org":"acme","state":"ok","checked":"2026-01-02T03:04:05Z"},{"org":"globex","state":"refused","reason":"disabled in KMS","checked":"2026-01-02T03:04:05Z"}]}`},
		"a key is replaced, others are destroyed": {nil, nil, []OrgState{{Org: "acme", State: "replacing"}, {Org: "globex", State: "destroyed"}}, false, http.StatusOK,
			`{"state":"ready","catalog":{"state":"ok"},"keystore":{"state":"ok"},"orgs":[{"org":"acme","state":"replacing"},{"org":"globex","state":"destroyed"}]}`},
		"no keystore": {nil, errors.New("refused"), nil, false, http.StatusOK,
			`{"state":"degraded","catalog":{"state":"ok"},"keystore":{"state":"failing","error":"refused"},"orgs":[]}`},
		"no upstream": {errors.New("not yet"), nil, []OrgState{{Org: "acme", State: "ok"}}, false, http.StatusServiceUnavailable,
			`{"state":"unready","catalog":{"state":"failing","error":"not yet"},"keystore":{"state":"ok"},"orgs":[{"org":"acme","state":"ok"}]}`},
		"stopping": {nil, nil, nil, true, http.StatusServiceUnavailable,
			`{"state":"stopping","catalog":{"state":"ok"},"keystore":{"state":"ok"},"orgs":[]}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			catalog := readyFunc(fine)
			if test.catalog != nil {
				catalog = func() error { return test.catalog }
			}
			h := Handler(Health{
				Stopping: func() bool { return test.stopping },
				Catalog:  catalog,
				Keystore: func(context.Context) error { return test.keystore },
				Orgs:     func() []OrgState { return test.orgs },
			}, nil)
			status, body := get(t, h, "/readyz")
			if status != test.status || compact(t, body) != test.body {
				t.Errorf("status %d, body\n%s\nwant %d\n%s", status, compact(t, body), test.status, test.body)
			}
		})
	}
}

func TestOtherPaths(t *testing.T) {
	h := Handler(Health{}, nil)
	if status, body := get(t, h, "/healthz"); status != http.StatusOK || body != "ok\n" {
		t.Errorf("/healthz: %d %q", status, body)
	}
	if status, _ := get(t, h, "/metrics"); status != http.StatusNotFound {
		t.Errorf("/metrics that is not configured: %d", status)
	}
	if status, _ := get(t, h, "/"); status != http.StatusNotFound {
		t.Errorf("/: %d", status)
	}
}
