package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// payloads is how many different payloads of a size there are.
const payloads = 64

// words are of what requests to a language model, and their answers, are made of;
// enough of them that the text compresses as such text does, not better.
var words = strings.Fields(`the contract that our customer signed last spring says nothing about storage of traces beyond ninety days
while policy in this region demands thirty so please summarise which clauses apply and whether an exception was granted before renewal
model answer token limit exceeded retry gateway upstream latency budget span parent status header authorization bearer content length
invoice amount euro dollar total tax address street number city country name phone email order shipment tracking delivered returned
def class return import select where insert update null true false error warning debug info request response body path method query
seven eleven forty nineteen hundred thousand million percent ratio average median highest lowest first second third final draft review`)

// makePayload gives the n bytes of a JSON object as a trace store gets them: a
// request or its answer, with ids, numbers and text. n is 100 at least. The same
// seed gives the same.
func makePayload(seed uint64, n int) string {
	const tail, message, shortest = `"}]}`, 400, 100
	r := rand.New(rand.NewPCG(seed, 1))
	var s strings.Builder
	fmt.Fprintf(&s, `{"span_id": "%016x", `, r.Uint64())
	if n > 2*shortest {
		fmt.Fprintf(&s, `"trace_id": "%016x%016x", "status": %d, "latency_ms": %d.%03d, `, r.Uint64(), r.Uint64(), 200+r.IntN(4)*100, r.IntN(900), r.IntN(1000))
	}
	s.WriteString(`"messages": [{"text": "`)
	for end := n - len(tail); ; s.WriteString(`"}, {"role": "user", "text": "`) {
		until := s.Len() + message
		if end-until < shortest {
			until = end
		}
		appendText(&s, r, until)
		if until == end {
			return s.String() + tail
		}
	}
}

// appendText appends words and numbers until s has n bytes.
func appendText(s *strings.Builder, r *rand.Rand, n int) {
	for s.Len() < n {
		word := words[r.IntN(len(words))] + " "
		if r.IntN(12) == 0 {
			word = fmt.Sprintf("%d ", r.Uint32())
		}
		s.WriteString(word[:min(len(word), n-s.Len())])
	}
}
