package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// upstreamHandler is the payment service and the language model, in one process
// for the demo's sake.
func upstreamHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /payments/charge", func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Card  string
			Cents int
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			fail(w, http.StatusBadRequest, "not a charge")
			return
		}
		span := trace.SpanFromContext(r.Context())
		if in.Card == declinedCard {
			span.AddEvent("declined", trace.WithAttributes(attribute.String("card.number", in.Card)))
			fail(w, http.StatusPaymentRequired, "card "+in.Card+" was declined")
			return
		}
		sum := sha256.Sum256([]byte(in.Card))
		receipt := "rcpt_" + hex.EncodeToString(sum[:6])
		span.SetAttributes(attribute.String("payment.receipt", receipt), attribute.Int("payment.cents", in.Cents))
		reply(w, http.StatusOK, map[string]string{"receipt": receipt})
	})
	mux.HandleFunc("POST /model/complete", func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Prompt string }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			fail(w, http.StatusBadRequest, "not a prompt")
			return
		}
		reply(w, http.StatusOK, map[string]any{"model": "parrot-1", "completion": "You said: " + in.Prompt})
	})
	return mux
}
