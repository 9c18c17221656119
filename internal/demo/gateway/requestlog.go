package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/trace"
)

const (
	bodyLimit = 1 << 20
	logLimit  = 10 * time.Second // for writing one entry
)

const insertRequest = `INSERT INTO request_logs
	(trace_id, org_id, method, path, status, at, request_headers, request_body, response_body)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`

// logged answers by next, and writes the request and the answer, headers and
// bodies as they were, to the request log.
func (g *Gateway) logged(org string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at := time.Now()
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyLimit))
		if err != nil {
			fail(w, http.StatusRequestEntityTooLarge, "the request is too long")
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer := &recorder{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(answer, r)

		headers, err := json.Marshal(r.Header)
		if err == nil {
			// The entry is written even if the customer has hung up.
			ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), logLimit)
			defer cancel()
			_, err = g.pool.Exec(ctx, insertRequest,
				trace.SpanContextFromContext(r.Context()).TraceID().String(), org, r.Method, r.URL.Path,
				answer.status, at, headers, string(body), answer.body.Bytes())
		}
		if err != nil {
			g.failures.add(org, fmt.Errorf("storing a request of %s: %w", org, err))
		}
	})
}

// recorder keeps a copy of the answer.
type recorder struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	r.body.Write(b)
	return r.ResponseWriter.Write(b)
}
