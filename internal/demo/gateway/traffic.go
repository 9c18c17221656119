package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
)

// declinedCard is one that the payment service declines.
const declinedCard = "4000000000000002"

var (
	people = []string{"Ada Lovelace", "Grace Hopper", "Alan Turing", "Edsger Dijkstra", "Barbara Liskov", "Donald Knuth"}
	mails  = []string{"ada", "grace", "alan", "edsger", "barbara", "donald"}
	cards  = []string{"4242424242424242", "5555555555554444", "378282246310005", declinedCard}
	items  = []string{"anvil", "rocket skates", "portable hole", "earthquake pills", "giant rubber band"}
	asked  = []string{
		"Summarise the merger with Initech in three lines, not for the press.",
		"Draft a letter of dismissal for employee 4711.",
		"What does our contract with Hooli say about penalties?",
		"Translate into French: the launch is postponed to 3 March.",
	}
)

// Sent is one request of Traffic, and its answer.
type Sent struct {
	Org, Method, Path string
	Body              string
	Status            int
	TraceID           string
}

// Traffic sends n requests to the gateway over loopback, one after the other, of
// all endpoints and for all orgs in turn, and gives what it sent. What they say is
// drawn from a fixed seed; a further call goes on where the last one ended.
func (g *Gateway) Traffic(ctx context.Context, n int) ([]Sent, error) {
	sent := make([]Sent, 0, n)
	for range n {
		s, err := g.send(ctx, g.sequence.Add(1)-1)
		if err != nil {
			return sent, fmt.Errorf("gateway: a request of its own: %w", err)
		}
		sent = append(sent, s)
	}
	return sent, nil
}

// compose makes the request of a place in the sequence: the orgs take turns, and
// each goes round the endpoints.
func (g *Gateway) compose(i int64) (s Sent, person int) {
	orgs := int64(len(g.orgs))
	s.Org = g.orgs[i%orgs]
	random := rand.New(rand.NewPCG(2026, uint64(i)))
	pick := func(list []string) string { return list[random.IntN(len(list))] }
	person = random.IntN(len(people))
	mail := mails[person] + "@" + s.Org + ".example"
	var body any
	s.Method = http.MethodPost
	switch i / orgs % 6 {
	case 0:
		s.Path, body = "/v1/orders", order{people[person], mail, pick(cards[:3]), []string{pick(items), pick(items)}}
	case 1:
		s.Path, body = "/v1/chat/completions", map[string]any{
			"model": "parrot-1", "messages": []map[string]string{{"role": "user", "content": pick(asked)}},
		}
	case 2:
		s.Method, s.Path = http.MethodGet, fmt.Sprintf("/v1/invoices/inv-%04d", 1000+i)
	case 3:
		s.Path, body = "/v1/login", map[string]string{"user": mail, "password": fmt.Sprintf("hunter%d", i)}
	case 4:
		s.Path, body = "/v1/reports", map[string]string{"name": "payroll.xlsx", "for": mail}
	case 5:
		s.Path, body = "/v1/orders", order{people[person], mail, declinedCard, []string{pick(items)}}
	}
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			panic("gateway: internal error: " + err.Error())
		}
		s.Body = string(text)
	}
	return s, person
}

func (g *Gateway) send(ctx context.Context, i int64) (Sent, error) {
	s, person := g.compose(i)
	req, err := http.NewRequestWithContext(ctx, s.Method, g.frontURL+s.Path, bytes.NewReader([]byte(s.Body)))
	if err != nil {
		return s, err
	}
	req.Header.Set(apiKeyHeader, APIKey(s.Org))
	req.Header.Set("Authorization", "Bearer session-of-"+mails[person]+"-at-"+s.Org)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "acme-shop/3.1")
	res, err := g.client.Do(req)
	if err != nil {
		return s, err
	}
	_, err = io.Copy(io.Discard, res.Body)
	s.Status, s.TraceID = res.StatusCode, res.Header.Get(traceIDHeader)
	if closeErr := res.Body.Close(); err == nil {
		err = closeErr
	}
	return s, err
}
