package telemetry

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// Ready tells why something is not ready, nil when it is.
type Ready interface {
	Ready() error
}

// OrgState is how an org's key is doing.
type OrgState struct {
	Org     string    `json:"org"`
	State   string    `json:"state"`            // ok, or a word for what is wrong
	Reason  string    `json:"reason,omitempty"` // in words, when not ok
	Checked time.Time `json:"checked,omitzero"`
}

// Health is what the health pages are made of.
type Health struct {
	// Stopping tells that no new client is taken.
	Stopping func() bool
	// Catalog is the upstream database's catalog: without it no statement can
	// be planned.
	Catalog Ready
	// Keystore asks whether the keystore answers. Statements that need no keys
	// are served without it.
	Keystore func(ctx context.Context) error
	// Orgs tells how the orgs' keys are doing. A key that is off is its org's
	// own wish and makes nothing unready.
	Orgs func() []OrgState
}

// keystoreTimeout bounds the question in /readyz, in which a load balancer
// waits.
const keystoreTimeout = 2 * time.Second

// part is the state of one of the things that /readyz tells of.
type part struct {
	State string `json:"state"` // ok or failing
	Error string `json:"error,omitempty"`
}

func partOf(err error) part {
	if err != nil {
		return part{State: "failing", Error: err.Error()}
	}
	return part{State: "ok"}
}

// well are the states of orgs' keys in which nothing is wrong that may pass: their
// data keys may be under way from one key to another, or destroyed for good.
var well = map[string]bool{"ok": true, "replacing": true, "destroyed": true}

// readiness is the body of /readyz.
type readiness struct {
	State    string     `json:"state"` // ready, degraded, unready or stopping
	Catalog  part       `json:"catalog"`
	Keystore part       `json:"keystore"`
	Orgs     []OrgState `json:"orgs"`
}

// Handler serves
//
//	/healthz  200 as long as the process answers
//	/readyz   JSON of the parts: 200 when ready, or degraded (the keystore or an
//	          org's key is not there); 503 when the upstream database's catalog is not,
//	          or pgseal is about to end
//	/metrics  metrics, when it is not nil
func Handler(h Health, metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok\n")) // who has gone away needs no answer
	})
	mux.HandleFunc("GET /readyz", h.serveReadiness)
	if metrics != nil {
		mux.Handle("GET /metrics", metrics)
	}
	return mux
}

func (h Health) serveReadiness(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), keystoreTimeout)
	defer cancel()
	body := readiness{
		State:    "ready",
		Catalog:  partOf(h.Catalog.Ready()),
		Keystore: partOf(h.Keystore(ctx)),
		Orgs:     h.Orgs(),
	}
	if body.Orgs == nil {
		body.Orgs = []OrgState{}
	}
	if body.Keystore.State != "ok" {
		body.State = "degraded"
	}
	for _, org := range body.Orgs {
		if !well[org.State] {
			body.State = "degraded"
		}
	}
	status := http.StatusOK
	if body.Catalog.State != "ok" {
		body.State, status = "unready", http.StatusServiceUnavailable
	}
	if h.Stopping() {
		body.State, status = "stopping", http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(body) // who has gone away needs no answer
}
