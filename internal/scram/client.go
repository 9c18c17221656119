package scram

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pgseal/pgseal/internal/secret"
)

// Client is the client's side of one exchange, with a client's key in the place
// of a password: First, Challenge, Finish, Check, in this order. Its errors tell
// of the server; none is for a client of pgseal's to see.
type Client struct {
	secret.Opaque
	mechanism string
	header    string // gs2-header
	binding   []byte
	nonce     string // the client's part

	first        string // client-first-message-bare
	serverFirst  string
	wholeNonce   string
	withoutProof string // client-final-message-without-proof
}

// Challenge is what the server asks for.
type Challenge struct {
	Salt       []byte
	Iterations int
}

// NewClient begins an exchange with a server that offers these mechanisms.
// binding is what Binding gives for the certificate that the server showed; nil
// when the connection is not TLS. A client that could have bound the channel, and
// was not offered to, says so: then the server finds out when somebody in between
// has shortened its list.
func NewClient(offered []string, binding []byte) (*Client, error) {
	c := &Client{mechanism: Mechanism, header: "n,,", nonce: newNonce()}
	switch {
	case binding != nil && slices.Contains(offered, MechanismPlus):
		c.mechanism, c.header, c.binding = MechanismPlus, "p="+bindingType+",,", binding
	case !slices.Contains(offered, Mechanism):
		return nil, fmt.Errorf("scram: the server offers neither %s nor %s", Mechanism, MechanismPlus)
	case binding != nil:
		c.header = "y,,"
	}
	return c, nil
}

// Mechanism is the one that was chosen.
func (c *Client) Mechanism() string { return c.mechanism }

// First gives the client-first-message. The user's name stays out of it: Postgres
// goes by the start-up packet's.
func (c *Client) First() []byte {
	c.first = "n=,r=" + c.nonce
	return []byte(c.header + c.first)
}

// Challenge reads the server-first-message.
func (c *Client) Challenge(message []byte) (Challenge, error) {
	c.serverFirst = string(message)
	var challenge Challenge
	nonce, rest, ok := readServerValue(c.serverFirst, "r=")
	if !ok || !isNonce(nonce) || !strings.HasPrefix(nonce, c.nonce) || len(nonce) == len(c.nonce) {
		return challenge, errors.New("scram: the server's first message has no nonce, or one that does not continue the client's")
	}
	salt, rest, ok := readServerValue(rest, "s=")
	if !ok {
		return challenge, errors.New("scram: the server's first message has no salt")
	}
	iterations, _, ok := readServerValue(rest, "i=") // extensions may follow
	if !ok {
		return challenge, errors.New("scram: the server's first message has no iteration count")
	}
	var err error
	if challenge.Salt, err = parseSalt(salt); err != nil {
		return Challenge{}, err
	}
	if challenge.Iterations, err = parseIterations(iterations); err != nil {
		return Challenge{}, err
	}
	c.wholeNonce = nonce
	return challenge, nil
}

// Finish gives the client-final-message, with the proof that key makes.
func (c *Client) Finish(key *Key) []byte {
	bound := append([]byte(c.header), c.binding...)
	c.withoutProof = "c=" + base64.StdEncoding.EncodeToString(bound) + ",r=" + c.wholeNonce
	stored := sha256.Sum256(key.bytes[:])
	proof := xor(*key.bytes, sum(stored[:], c.first, c.serverFirst, c.withoutProof))
	return []byte(c.withoutProof + ",p=" + base64.StdEncoding.EncodeToString(proof[:]))
}

// Check holds the server-final-message to v: a server that knows the role's
// verifier signs so.
func (c *Client) Check(message []byte, v *Verifier) error {
	text, _, ok := readServerValue(string(message), "v=") // extensions may follow
	if !ok {
		return errors.New("scram: the server's final message has no signature")
	}
	var signature [keySize]byte
	want := sum(v.keys.server[:], c.first, c.serverFirst, c.withoutProof)
	if !decodeKey(&signature, []byte(text)) || !hmac.Equal(signature[:], want[:]) {
		return errors.New("scram: the server's signature is wrong: it does not know the role's verifier")
	}
	return nil
}

// readServerValue reads the attribute that must come next in a server's message.
func readServerValue(text, name string) (value, rest string, ok bool) {
	text, ok = strings.CutPrefix(text, name)
	value, rest, _ = strings.Cut(text, ",")
	return value, rest, ok
}
