package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// handler knows the customer, logs the request and passes it to its endpoint.
func (g *Gateway) handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, endpoint := range map[string]http.HandlerFunc{
		"POST /v1/orders":           g.postOrder,
		"GET /v1/invoices/{id}":     g.getInvoice,
		"POST /v1/chat/completions": g.postChat,
		"POST /v1/login":            g.postLogin,
		"POST /v1/reports":          g.postReport,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			span := trace.SpanFromContext(r.Context())
			span.SetName(pattern)
			span.SetAttributes(attribute.String("http.request.header.authorization", r.Header.Get("Authorization")))
			endpoint(w, r)
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		org, ok := g.orgOf(r)
		if !ok {
			fail(w, http.StatusUnauthorized, "the API key is not known")
			return
		}
		ctx, err := withOrg(r.Context(), org)
		if err != nil {
			fail(w, http.StatusInternalServerError, "the org's name cannot be passed on")
			return
		}
		w.Header().Set(traceIDHeader, trace.SpanContextFromContext(ctx).TraceID().String())
		g.logged(org, mux).ServeHTTP(w, r.WithContext(ctx))
	})
}

type order struct {
	Customer string   `json:"customer"`
	Email    string   `json:"email"`
	Card     string   `json:"card"`
	Items    []string `json:"items"`
}

func (g *Gateway) postOrder(w http.ResponseWriter, r *http.Request) {
	var o order
	if err := json.NewDecoder(r.Body).Decode(&o); err != nil || len(o.Card) < 4 || len(o.Items) == 0 {
		fail(w, http.StatusBadRequest, "an order has a customer, an email, a card and items")
		return
	}
	trace.SpanFromContext(r.Context()).SetAttributes(
		attribute.String("customer.name", o.Customer), attribute.String("customer.email", o.Email),
		attribute.String("card.last4", o.Card[len(o.Card)-4:]))
	total := g.price(r.Context(), o)
	var receipt struct {
		Receipt string `json:"receipt"`
	}
	err := g.ask(r.Context(), "/payments/charge", map[string]any{"card": o.Card, "cents": total}, &receipt)
	if err != nil {
		broken(r.Context(), w, http.StatusBadGateway, err)
		return
	}
	reply(w, http.StatusCreated, map[string]any{"customer": o.Customer, "cents": total, "receipt": receipt.Receipt})
}

// price is a step of its own in the trace.
func (g *Gateway) price(ctx context.Context, o order) int {
	_, span := g.tracer.Start(ctx, "orders.price", trace.WithAttributes(attribute.StringSlice("order.items", o.Items)))
	defer span.End()
	total := 0
	for _, item := range o.Items {
		total += 100 * len(item)
	}
	span.AddEvent("priced", trace.WithAttributes(attribute.Int("order.cents", total)))
	return total
}

func (g *Gateway) getInvoice(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	_, span := g.tracer.Start(r.Context(), "invoices.lookup", trace.WithAttributes(attribute.String("invoice.id", id)))
	defer span.End()
	if !strings.HasPrefix(id, "inv-") {
		span.AddEvent("invoice not found")
		fail(w, http.StatusNotFound, "there is no such invoice")
		return
	}
	span.SetAttributes(attribute.String("customer.iban", "DE89 3704 0044 0532 0130 00"))
	reply(w, http.StatusOK, map[string]any{"id": id, "iban": "DE89 3704 0044 0532 0130 00", "cents": 129900})
}

func (g *Gateway) postChat(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Model    string `json:"model"`
		Messages []struct {
			Role    string `json:"role"`
			Content string `json:"content"`
		} `json:"messages"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || len(in.Messages) == 0 {
		fail(w, http.StatusBadRequest, "a chat has a model and messages")
		return
	}
	prompt := in.Messages[len(in.Messages)-1].Content
	span := trace.SpanFromContext(r.Context())
	span.SetAttributes(attribute.String("gen_ai.request.model", in.Model), attribute.String("gen_ai.prompt", prompt))
	var out map[string]any
	if err := g.ask(r.Context(), "/model/complete", map[string]any{"prompt": prompt}, &out); err != nil {
		broken(r.Context(), w, http.StatusBadGateway, err)
		return
	}
	span.AddEvent("gen_ai.choice", trace.WithAttributes(attribute.String("gen_ai.completion", fmt.Sprint(out["completion"]))))
	reply(w, http.StatusOK, out)
}

func (g *Gateway) postLogin(w http.ResponseWriter, r *http.Request) {
	var in struct{ User, Password string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		fail(w, http.StatusBadRequest, "a login has a user and a password")
		return
	}
	span := trace.SpanFromContext(r.Context())
	span.SetAttributes(attribute.String("enduser.id", in.User))
	// Nobody has an account here: the demo shows what failed logins leave in a log.
	span.AddEvent("login refused", trace.WithAttributes(attribute.String("enduser.id", in.User)))
	fail(w, http.StatusUnauthorized, "the user or the password is wrong")
}

// postReport always fails, as some reports do.
func (g *Gateway) postReport(w http.ResponseWriter, r *http.Request) {
	ctx, span := g.tracer.Start(r.Context(), "reports.render")
	defer span.End()
	broken(ctx, w, http.StatusInternalServerError, errors.New("rendering payroll.xlsx: sheet \"Salaries 2026\" has no column \"IBAN\""))
}

// ask calls an upstream service.
func (g *Gateway) ask(ctx context.Context, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.backURL+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := g.upstream.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 1024))
		return fmt.Errorf("%s: %s: %s", path, res.Status, bytes.TrimSpace(text))
	}
	if err := json.NewDecoder(res.Body).Decode(out); err != nil {
		return err
	}
	// To the end, or otelhttp does not end the span of the call.
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func fail(w http.ResponseWriter, status int, message string) {
	reply(w, status, map[string]string{"error": message})
}

// broken records the error in the trace, and tells the customer less.
func broken(ctx context.Context, w http.ResponseWriter, status int, err error) {
	span := trace.SpanFromContext(ctx)
	span.RecordError(err, trace.WithStackTrace(true))
	span.SetStatus(codes.Error, "")
	fail(w, status, "something went wrong; the trace id helps support to find out what")
}
