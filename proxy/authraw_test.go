package proxy_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pgseal/pgseal/proxy"
)

// raw is a client that says what a test wants it to.
type raw struct {
	t *testing.T
	net.Conn
}

// rawConn connects to the host of a DSN.
func rawConn(t *testing.T, dsn string) *raw {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return &raw{t, conn}
}

func (c *raw) write(b []byte) {
	c.t.Helper()
	if _, err := c.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

// startTLS asks for TLS.
func (c *raw) startTLS() {
	c.t.Helper()
	c.write([]byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f})
	var answer [1]byte
	if _, err := io.ReadFull(c, answer[:]); err != nil || answer[0] != 'S' {
		c.t.Fatalf("SSLRequest: %q, %v", answer, err)
	}
	c.Conn = tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true})
}

func (c *raw) start(user string) {
	c.t.Helper()
	body := "\x00\x03\x00\x00user\x00" + user + "\x00database\x00postgres\x00\x00"
	c.write(append(binary.BigEndian.AppendUint32(nil, uint32(4+len(body))), body...))
}

// send sends a message.
func (c *raw) send(typ byte, body string) {
	c.t.Helper()
	c.write(append(binary.BigEndian.AppendUint32([]byte{typ}, uint32(4+len(body))), body...))
}

// initial sends a SASLInitialResponse.
func (c *raw) initial(mechanism, first string) {
	c.t.Helper()
	c.send('p', mechanism+"\x00"+string(binary.BigEndian.AppendUint32(nil, uint32(len(first))))+first)
}

// read reads a message; zero when the other side has closed.
func (c *raw) read() (typ byte, body []byte) {
	c.t.Helper()
	var header [5]byte
	if _, err := io.ReadFull(c, header[:]); err != nil {
		if errors.Is(err, io.EOF) || strings.Contains(err.Error(), "reset") {
			return 0, nil
		}
		c.t.Fatal(err)
	}
	body = make([]byte, binary.BigEndian.Uint32(header[1:])-4)
	if _, err := io.ReadFull(c, body); err != nil {
		c.t.Fatal(err)
	}
	return header[0], body
}

// rest reads until the other side closes.
func (c *raw) rest() []byte {
	c.t.Helper()
	data, err := io.ReadAll(c)
	if err != nil && !strings.Contains(err.Error(), "reset") && !errors.Is(err, io.ErrUnexpectedEOF) {
		c.t.Fatal(err)
	}
	return data
}

// told renders the server's messages up to its end, errors by severity, code,
// message and detail.
func (c *raw) told() string {
	c.t.Helper()
	var told []string
	for {
		typ, body := c.read()
		switch typ {
		case 0:
			return strings.Join(told, "\n")
		case 'E':
			var fields []string
			for _, f := range bytes.Split(body, []byte{0}) {
				if len(f) > 0 && strings.IndexByte("SCMDH", f[0]) >= 0 {
					fields = append(fields, string(f))
				}
			}
			told = append(told, strings.Join(fields, " | "))
		case 'R':
			told = append(told, fmt.Sprintf("R %d", binary.BigEndian.Uint32(body)))
		default:
			told = append(told, string(typ))
		}
	}
}

// TestBadLogins: what breaks the exchange gets Postgres's own answer. The two
// differ in nothing, TLS or not.
func TestBadLogins(t *testing.T) {
	l := startLogin(t, loginOptions{mode: proxy.AuthSCRAM, clientTLS: true, upstreamTLS: true})
	const nonce = "rOprNGfwEbeRWgbNEkqO"
	type step = func(c *raw)
	initial := func(mechanism, first string) step { return func(c *raw) { c.initial(mechanism, first) } }
	send := func(typ byte, body string) step { return func(c *raw) { c.send(typ, body) } }
	// finish answers the challenge; the nonce stands for N.
	finish := func(message string) step {
		return func(c *raw) {
			typ, body := c.read()
			if typ != 'R' || binary.BigEndian.Uint32(body) != 11 {
				c.t.Fatalf("%q %q, want a challenge", typ, body)
			}
			whole, _, _ := strings.Cut(strings.TrimPrefix(string(body[4:]), "r="), ",")
			c.send('p', strings.ReplaceAll(message, "N", whole))
		}
	}
	proof := base64.StdEncoding.EncodeToString(make([]byte, 32))
	const plain, plus = "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"
	for name, test := range map[string]struct {
		tls   bool
		steps []step
	}{
		"unknown mechanism":        {false, []step{initial("SCRAM-SHA-1", "n,,n=,r="+nonce)}},
		"PLUS without TLS":         {false, []step{initial(plus, "p=tls-server-end-point,,n=,r="+nonce)}},
		"no mechanism":             {false, []step{send('p', "")}},
		"no length":                {false, []step{send('p', plain+"\x00\x00\x00")}},
		"length too large":         {false, []step{send('p', plain+"\x00\x00\x00\x00\x09abc")}},
		"length too small":         {false, []step{send('p', plain+"\x00\x00\x00\x00\x01abc")}},
		"length negative":          {false, []step{send('p', plain+"\x00\xff\xff\xff\xfeabc")}},
		"empty":                    {false, []step{initial(plain, "")}},
		"NUL":                      {false, []step{initial(plain, "n,,n=,r=a\x00b")}},
		"binary":                   {false, []step{initial(plain, "\xff\x01")}},
		"n":                        {false, []step{initial(plain, "n")}},
		"bad comma":                {false, []step{initial(plain, "nx,n=,r=a")}},
		"p with plain":             {false, []step{initial(plain, "p=tls-server-end-point,,n=,r=a")}},
		"authzid":                  {false, []step{initial(plain, "n,a=alice,n=,r=a")}},
		"other in the header":      {false, []step{initial(plain, "n,x=alice,n=,r=a")}},
		"mandatory extension":      {false, []step{initial(plain, "n,,m=x,n=,r=a")}},
		"no name":                  {false, []step{initial(plain, "n,,r=a")}},
		"no nonce":                 {false, []step{initial(plain, "n,,n=alice")}},
		"no equals sign":           {false, []step{initial(plain, "n,,n=,r")}},
		"blank in the nonce":       {false, []step{initial(plain, "n,,n=,r=a b")}},
		"bad extension":            {false, []step{initial(plain, "n,,n=,r=a,1=x")}},
		"extension without =":      {false, []step{initial(plain, "n,,n=,r=a,x")}},
		"downgrade":                {true, []step{initial(plain, "y,,n=,r="+nonce)}},
		"n with PLUS":              {true, []step{initial(plus, "n,,n=,r="+nonce)}},
		"y with PLUS":              {true, []step{initial(plus, "y,,n=,r="+nonce)}},
		"tls-unique":               {true, []step{initial(plus, "p=tls-unique,,n=,r="+nonce)}},
		"no binding type":          {true, []step{initial(plus, "p,,n=,r="+nonce)}},
		"Terminate":                {false, []step{send('X', "")}},
		"Query":                    {false, []step{send('Q', "SELECT 1\x00")}},
		"too long":                 {false, []step{initial(plain, "n,,n=,r="+strings.Repeat("a", 2000))}},
		"empty finish":             {false, []step{initial(plain, "n,,n=,r=a"), finish("")}},
		"no c":                     {false, []step{initial(plain, "n,,n=,r=a"), finish("r=N,p=" + proof)}},
		"c of y":                   {false, []step{initial(plain, "n,,n=,r=a"), finish("c=eSws,r=N,p=" + proof)}},
		"another nonce":            {false, []step{initial(plain, "n,,n=,r=a"), finish("c=biws,r=b,p=" + proof)}},
		"no proof":                 {false, []step{initial(plain, "n,,n=,r=a"), finish("c=biws,r=N")}},
		"no proof, comma":          {false, []step{initial(plain, "n,,n=,r=a"), finish("c=biws,r=N,")}},
		"short proof":              {false, []step{initial(plain, "n,,n=,r=a"), finish("c=biws,r=N,p=AAAA")}},
		"proof that is no base64":  {false, []step{initial(plain, "n,,n=,r=a"), finish("c=biws,r=N,p=***")}},
		"garbage behind the proof": {false, []step{initial(plain, "n,,n=,r=a"), finish("c=biws,r=N,p=" + proof + ",x=y")}},
		"wrong proof":              {false, []step{initial(plain, "n,,n=,r=a"), finish("c=biws,r=N,p=" + proof)}},
		"wrong proof, extension":   {false, []step{initial(plain, "n,,n=,r=a,z=1"), finish("c=biws,r=N,x=1,p=" + proof)}},
		"another certificate":      {true, []step{initial(plus, "p=tls-server-end-point,,n=,r=a"), finish("c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsQUFBQQ==,r=N,p=" + proof)}},
		"no certificate":           {true, []step{initial(plus, "p=tls-server-end-point,,n=,r=a"), finish("c=biws,r=N,p=" + proof)}},
		"Query in the middle":      {false, []step{initial(plain, "n,,n=,r=a"), send('Q', "SELECT 1\x00")}},
		"first message apart, bad": {false, []step{send('p', plain+"\x00\xff\xff\xff\xff"), send('p', "x")}},
	} {
		t.Run(name, func(t *testing.T) {
			run := func(dsn string) string {
				c := rawConn(t, dsn)
				if test.tls {
					c.startTLS()
				}
				c.start("alice")
				if typ, body := c.read(); typ != 'R' || binary.BigEndian.Uint32(body) != 10 {
					t.Fatalf("%q %q, want SASL", typ, body)
				}
				for _, step := range test.steps {
					step(c)
				}
				return c.told()
			}
			want, got := run(l.Direct), run(l.Through)
			if got != want {
				t.Errorf("pgseal says\n%s\nand Postgres\n%s", got, want)
			}
		})
	}
	noSecrets(t, l)
}

// TestUnknownUsersLookLikeOthers: the challenge is the one that Postgres gives,
// each time.
func TestUnknownUsersLookLikeOthers(t *testing.T) {
	l := startLogin(t, loginOptions{mode: proxy.AuthSCRAM})
	trusting := startLogin(t, loginOptions{method: "trust", mode: proxy.AuthSCRAM})
	another := startLogin(t, loginOptions{method: "trust", mode: proxy.AuthSCRAM, like: trusting})
	challenge := func(dsn, user string) string {
		t.Helper()
		c := rawConn(t, dsn)
		c.start(user)
		if typ, body := c.read(); typ != 'R' || string(body[4:]) != "SCRAM-SHA-256\x00\x00" {
			t.Fatalf("%q %q, want SASL", typ, body)
		}
		c.initial("SCRAM-SHA-256", "n,,n=,r=abc")
		_, body := c.read()
		nonce, rest, _ := strings.Cut(string(body[4:]), ",")
		if !strings.HasPrefix(nonce, "r=abc") || len(nonce) != len("r=abc")+24 {
			t.Errorf("%s: the nonce is %s", user, nonce)
		}
		return rest
	}
	for _, user := range []string{"alice", "nobody", "expired", "nopassword", "mdfive"} {
		if want, got := challenge(l.Direct, user), challenge(l.Through, user); got != want {
			t.Errorf("%s: %s, Postgres has %s", user, got, want)
		}
		if user == "mdfive" {
			continue // where the server asks for nothing, the client is asked for md5
		}
		first, second := challenge(trusting.Through, user), challenge(trusting.Through, user)
		if first == challenge(another.Through, user) && user == "nobody" {
			t.Error("anybody can tell what an unknown user is asked for")
		}
		if first != second || len(first) != len(challenge(l.Direct, user)) {
			t.Errorf("%s: %s, and then %s", user, first, second)
		}
	}
}

// TestFirstMessageApart: a client may choose the mechanism first, and send its
// first message when it is asked for it.
func TestFirstMessageApart(t *testing.T) {
	l := startLogin(t, loginOptions{mode: proxy.AuthSCRAM})
	for _, dsn := range []string{l.Direct, l.Through} {
		c := rawConn(t, dsn)
		c.start("alice")
		c.read()
		c.send('p', "SCRAM-SHA-256\x00\xff\xff\xff\xff")
		if typ, body := c.read(); typ != 'R' || !bytes.Equal(body, []byte{0, 0, 0, 11}) {
			t.Fatalf("%q %q, want an empty challenge", typ, body)
		}
		c.send('p', "n,,n=,r=abc")
		_, body := c.read()
		challenge := string(body[4:])
		nonce, _, _ := strings.Cut(challenge, ",")
		final := "c=biws," + nonce
		c.send('p', final+",p="+proofOf(t, "wonderland", challenge, "n=,r=abc,"+challenge+","+final))
		for _, want := range []uint32{12, 0} {
			if typ, body := c.read(); typ != 'R' || binary.BigEndian.Uint32(body) != want {
				t.Fatalf("%q %q, want R %d", typ, body, want)
			}
		}
	}
}

// proofOf is what a client computes.
func proofOf(t *testing.T, password, challenge, message string) string {
	t.Helper()
	var salt []byte
	for _, attribute := range strings.Split(challenge, ",") {
		if text, ok := strings.CutPrefix(attribute, "s="); ok {
			var err error
			if salt, err = base64.StdEncoding.DecodeString(text); err != nil {
				t.Fatal(err)
			}
		}
	}
	mac := func(key []byte, text string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	salted, err := pbkdf2.Key(sha256.New, password, salt, 4096, 32)
	if err != nil {
		t.Fatal(err)
	}
	proof := mac(salted, "Client Key")
	stored := sha256.Sum256(proof)
	for i, b := range mac(stored[:], message) {
		proof[i] ^= b
	}
	return base64.StdEncoding.EncodeToString(proof)
}
