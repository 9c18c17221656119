package scram

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// The example of RFC 7677, section 3.
const (
	rfcPassword   = "pencil"
	rfcSalt       = "W22ZaJ0SNY7soEsUEjb6gQ=="
	rfcNonce      = "rOprNGfwEbeRWgbNEkqO"
	rfcServer     = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
	rfcFirst      = "n,,n=user,r=" + rfcNonce
	rfcChallenge  = "r=" + rfcNonce + rfcServer + ",s=" + rfcSalt + ",i=4096"
	rfcFinish     = "c=biws,r=" + rfcNonce + rfcServer + ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
	rfcConclusion = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
)

// verifierText does what Postgres does when a password is set (scram_build_secret).
func verifierText(t testing.TB, password, salt string, iterations int) string {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(salt)
	if err != nil {
		t.Fatal(err)
	}
	salted, err := pbkdf2.Key(sha256.New, password, raw, iterations, keySize)
	if err != nil {
		t.Fatal(err)
	}
	of := func(name string) []byte {
		mac := hmac.New(sha256.New, salted)
		mac.Write([]byte(name))
		return mac.Sum(nil)
	}
	stored := sha256.Sum256(of("Client Key"))
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", iterations, salt, encode(stored[:]), encode(of("Server Key")))
}

func rfcVerifier(t testing.TB) *Verifier {
	t.Helper()
	v, err := ParseVerifier([]byte(verifierText(t, rfcPassword, rfcSalt, 4096)))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// rfcExchange is a server that waits for the example's first message.
func rfcExchange(t testing.TB, binding []byte, mechanism string) *Server {
	t.Helper()
	s := NewServer(rfcVerifier(t), binding)
	s.nonce = rfcServer
	if err := s.Select(mechanism); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestExample goes through RFC 7677's example on both sides. The client has the
// key that the server's side gained.
func TestExample(t *testing.T) {
	s := rfcExchange(t, nil, Mechanism)
	challenge, err := s.Challenge([]byte(rfcFirst))
	if err != nil || string(challenge) != rfcChallenge {
		t.Fatalf("challenge %s, %v; want %s", challenge, err, rfcChallenge)
	}
	conclusion, key, err := s.Finish([]byte(rfcFinish))
	if err != nil || string(conclusion) != rfcConclusion {
		t.Fatalf("conclusion %s, %v; want %s", conclusion, err, rfcConclusion)
	}

	c, err := NewClient([]string{Mechanism}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.nonce = rfcNonce
	c.First()
	c.first = "n=user,r=" + rfcNonce // Postgres's clients leave the name out
	asked, err := c.Challenge(challenge)
	if err != nil {
		t.Fatal(err)
	}
	if !rfcVerifier(t).Answers(asked) {
		t.Error("the challenge is not known as the verifier's")
	}
	if got := c.Finish(key); string(got) != rfcFinish {
		t.Errorf("the client finishes by %s, want %s", got, rfcFinish)
	}
	if err := c.Check(conclusion, rfcVerifier(t)); err != nil {
		t.Error(err)
	}
	if err := c.Check([]byte("v="+base64.StdEncoding.EncodeToString(make([]byte, 32))), rfcVerifier(t)); err == nil {
		t.Error("a wrong signature of the server's is taken")
	}
	if err := c.Check([]byte("e=invalid-proof"), rfcVerifier(t)); err == nil {
		t.Error("a server's error is taken for a signature")
	}
}

// TestRelay logs in through a server and a client in a row, as a proxy does, with
// each kind of channel on either side.
func TestRelay(t *testing.T) {
	front, back := []byte("front certificate's hash"), []byte("back certificate's hash")
	for _, test := range []struct {
		name        string
		front, back []byte
		mechanism   string // that the client takes
		header      string
	}{
		{"plain", nil, nil, Mechanism, "n,,"},
		{"bound in front", front, nil, MechanismPlus, "p=tls-server-end-point,,"},
		{"bound behind", nil, back, Mechanism, "n,,"},
		{"bound on both sides", front, back, MechanismPlus, "p=tls-server-end-point,,"},
		{"a client without binding", front, back, Mechanism, "n,,"},
		{"a client that could bind", nil, back, Mechanism, "y,,"},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := rfcVerifier(t)
			client := clientOf(t, test.mechanism, test.header, test.front)
			key := exchange(t, client, passwordKey(t), NewServer(v, test.front), test.mechanism, v)
			if *key.bytes != *passwordKey(t).bytes {
				t.Fatal("the key is not the one that the password makes")
			}
			upstream := NewServer(v, test.back)
			own, err := NewClient(upstream.Mechanisms(), test.back)
			if err != nil {
				t.Fatal(err)
			}
			if want := map[bool]string{true: MechanismPlus, false: Mechanism}[test.back != nil]; own.Mechanism() != want {
				t.Errorf("upstream by %s, want %s", own.Mechanism(), want)
			}
			exchange(t, own, key, upstream, own.Mechanism(), v).Zero()
		})
	}
}

// passwordKey is what a client that knows the password computes.
func passwordKey(t testing.TB) *Key {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(rfcSalt)
	if err != nil {
		t.Fatal(err)
	}
	salted, err := pbkdf2.Key(sha256.New, rfcPassword, raw, 4096, keySize)
	if err != nil {
		t.Fatal(err)
	}
	key := sum(salted, "Client Key")
	return &Key{bytes: &key}
}

func clientOf(t testing.TB, mechanism, header string, binding []byte) *Client {
	t.Helper()
	c := &Client{mechanism: mechanism, header: header, nonce: newNonce()}
	if strings.HasPrefix(header, "p") {
		c.binding = binding
	}
	return c
}

func exchange(t testing.TB, c *Client, key *Key, s *Server, mechanism string, v *Verifier) *Key {
	t.Helper()
	if err := s.Select(mechanism); err != nil {
		t.Fatal(err)
	}
	challenge, err := s.Challenge(c.First())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Challenge(challenge); err != nil {
		t.Fatal(err)
	}
	conclusion, gained, err := s.Finish(c.Finish(key))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Check(conclusion, v); err != nil {
		t.Fatal(err)
	}
	return gained
}

func TestWrongProof(t *testing.T) {
	v := rfcVerifier(t)
	mock := Mock(MockChallenge(make([]byte, 32), "nobody", 4096))
	mock.keys = v.keys // even then
	other, err := ParseVerifier([]byte(verifierText(t, "another", rfcSalt, 4096)))
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]*Verifier{"mock": mock, "another password": other} {
		s := NewServer(v, nil)
		c := clientOf(t, Mechanism, "n,,", nil)
		if err := s.Select(Mechanism); err != nil {
			t.Fatal(err)
		}
		challenge, err := s.Challenge(c.First())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Challenge(challenge); err != nil {
			t.Fatal(err)
		}
		if final, key, err := s.Finish(c.Finish(passwordKey(t))); !errors.Is(err, ErrProof) || final != nil || key != nil {
			t.Errorf("%s: %s, a key: %v, %v; want %v", name, final, key != nil, err, ErrProof)
		}
	}
}

func TestMock(t *testing.T) {
	of := func(secret, user string) string {
		c := MockChallenge([]byte(strings.Repeat(secret, 32)), user, 5000)
		if !Mock(c).Answers(c) || !Mock(c).IsMock() || c.Iterations != 5000 || len(c.Salt) != mockSaltSize {
			t.Errorf("%s, %s: %v", secret, user, c)
		}
		return string(c.Salt)
	}
	if first, second := of("a", "x"), of("a", "x"); first != second {
		t.Error("the salt differs from time to time")
	}
	if of("a", "x") == of("a", "y") || of("a", "x") == of("b", "x") {
		t.Error("the salt is the same for another user or process")
	}
}

// TestMalformed: what auth-scram.c refuses, with its codes and words.
func TestMalformed(t *testing.T) {
	bound := []byte("hash")
	plus := base64.StdEncoding.EncodeToString([]byte("p=tls-server-end-point,,hash"))
	final := rfcFinish[strings.Index(rfcFinish, ",r="):]
	for _, test := range []struct {
		name            string
		binding         []byte
		plus            bool
		first, finish   string
		code            string
		message, detail string
	}{
		{"empty", nil, false, "", "", "08P01", "malformed SCRAM message", "The message is empty."},
		{"NUL", nil, false, rfcFirst + "\x00", "", "08P01", "malformed SCRAM message", "Message length does not match input length."},
		{"too long", nil, false, rfcFirst + strings.Repeat("x", MaxMessage), "", "08P01", "malformed SCRAM message", "The message is too long."},
		{"no flag", nil, false, ",,n=,r=a", "", "08P01", "malformed SCRAM message", `Unexpected channel-binding flag "','".`},
		{"binary flag", nil, false, "\xff", "", "08P01", "malformed SCRAM message", `Unexpected channel-binding flag "0xff".`},
		{"only a flag", nil, false, "n", "", "08P01", "malformed SCRAM message", `Comma expected, but found character "0x00".`},
		{"n with PLUS", bound, true, "n,,n=,r=a", "", "08P01", "malformed SCRAM message", "The client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include channel binding data."},
		{"y with PLUS", bound, true, "y,,n=,r=a", "", "08P01", "malformed SCRAM message", "The client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include channel binding data."},
		{"p without PLUS", bound, false, "p=tls-server-end-point,,n=,r=a", "", "08P01", "malformed SCRAM message", "The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes channel binding data."},
		{"downgrade", bound, false, "y,,n=,r=a", "", "28000", "SCRAM channel binding negotiation error", "The client supports SCRAM channel binding but thinks the server does not.  However, this server does support channel binding."},
		{"other binding", bound, true, "p=tls-unique,,n=,r=a", "", "08P01", `unsupported SCRAM channel-binding type "tls-unique"`, ""},
		{"binary binding", bound, true, "p=\x01" + strings.Repeat("x", 50) + ",,n=,r=a", "", "08P01", `unsupported SCRAM channel-binding type "?` + strings.Repeat("x", 28) + `"`, ""},
		{"no binding type", bound, true, "p,,n=,r=a", "", "08P01", "malformed SCRAM message", `Expected character "=" for attribute "p".`},
		{"authzid", nil, false, "n,a=x,n=,r=a", "", "0A000", "client uses authorization identity, but it is not supported", ""},
		{"other attribute", nil, false, "n,b=x,n=,r=a", "", "08P01", "malformed SCRAM message", `Unexpected attribute "'b'" in client-first-message.`},
		{"mandatory extension", nil, false, "n,,m=x,n=,r=a", "", "0A000", "client requires an unsupported SCRAM extension", ""},
		{"no name", nil, false, "n,,r=a", "", "08P01", "malformed SCRAM message", `Expected attribute "n" but found "'r'".`},
		{"no nonce", nil, false, "n,,n=", "", "08P01", "malformed SCRAM message", `Expected attribute "r" but found "0x00".`},
		{"no =", nil, false, "n,,n=,r", "", "08P01", "malformed SCRAM message", `Expected character "=" for attribute "r".`},
		{"binary nonce", nil, false, "n,,n=,r=a\x7f", "", "08P01", "non-printable characters in SCRAM nonce", ""},
		{"bad extension", nil, false, "n,,n=,r=a,1=x", "", "08P01", "malformed SCRAM message", `Attribute expected, but found invalid character "'1'".`},
		{"extension without =", nil, false, "n,,n=,r=a,x", "", "08P01", "malformed SCRAM message", `Expected character "=" for attribute "x".`},

		{"empty finish", nil, false, rfcFirst, "", "08P01", "malformed SCRAM message", "The message is empty."},
		{"no c", nil, false, rfcFirst, "r=a", "08P01", "malformed SCRAM message", `Expected attribute "c" but found "'r'".`},
		{"c of y", nil, false, rfcFirst, "c=eSws" + final, "08P01", "unexpected SCRAM channel-binding attribute in client-final-message", ""},
		{"another certificate", bound, true, "p=tls-server-end-point,," + rfcFirst[3:], "c=" + plus[:len(plus)-4] + "AAAA" + final, "28000", "SCRAM channel binding check failed", ""},
		{"no certificate", bound, true, "p=tls-server-end-point,," + rfcFirst[3:], "c=biws" + final, "28000", "SCRAM channel binding check failed", ""},
		{"another nonce", nil, false, rfcFirst, "c=biws,r=x" + rfcFinish[strings.Index(rfcFinish, ",p="):], "08P01", "invalid SCRAM response", "Nonce does not match."},
		{"no proof", nil, false, rfcFirst, rfcFinish[:strings.Index(rfcFinish, ",p=")], "08P01", "malformed SCRAM message", "Attribute expected, but found end of string."},
		{"short proof", nil, false, rfcFirst, rfcFinish[:len(rfcFinish)-4], "08P01", "malformed SCRAM message", "Malformed proof in client-final-message."},
		{"proof of 31 bytes", nil, false, rfcFirst, rfcFinish[:len(rfcFinish)-4] + "AA==", "08P01", "malformed SCRAM message", "Malformed proof in client-final-message."},
		{"garbage", nil, false, rfcFirst, rfcFinish + ",x=y", "08P01", "malformed SCRAM message", "Garbage found at the end of client-final-message."},
	} {
		t.Run(test.name, func(t *testing.T) {
			mechanism := Mechanism
			if test.plus {
				mechanism = MechanismPlus
			}
			s := rfcExchange(t, test.binding, mechanism)
			_, err := s.Challenge([]byte(test.first))
			if err == nil {
				_, _, err = s.Finish([]byte(test.finish))
			}
			var e *pgerr.Error
			if !errors.As(err, &e) {
				t.Fatalf("%v, want %s", err, test.message)
			}
			if e.Code != test.code || e.Message != test.message || e.Detail != test.detail {
				t.Errorf("got  %s %s %s\nwant %s %s %s", e.Code, e.Message, e.Detail, test.code, test.message, test.detail)
			}
		})
	}
}

// TestExtensions: attributes that nobody knows are passed over, and are part of
// what is signed.
func TestExtensions(t *testing.T) {
	v := rfcVerifier(t)
	s := NewServer(v, nil)
	if err := s.Select(Mechanism); err != nil {
		t.Fatal(err)
	}
	c := clientOf(t, Mechanism, "n,,", nil)
	first := c.First()
	c.first += ",x=1,y=2"
	challenge, err := s.Challenge(append(first, ",x=1,y=2"...))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Challenge(append(challenge, ",z=3"...)); err != nil {
		t.Fatal(err)
	}
	c.serverFirst = string(challenge)
	c.wholeNonce += ",x=1" // lands between nonce and proof
	if _, _, err := s.Finish(c.Finish(passwordKey(t))); err != nil {
		t.Error(err)
	}
}

func TestSelect(t *testing.T) {
	if err := NewServer(rfcVerifier(t), nil).Select(MechanismPlus); err == nil {
		t.Error("a mechanism that was not offered is taken")
	}
	for _, mechanism := range []string{"", "SCRAM-SHA-1", "scram-sha-256"} {
		var e *pgerr.Error
		if err := NewServer(rfcVerifier(t), []byte("hash")).Select(mechanism); !errors.As(err, &e) || e.Code != pgerr.ProtocolViolation {
			t.Errorf("%q: %v", mechanism, err)
		}
	}
	if _, err := NewClient([]string{"SCRAM-SHA-1"}, nil); err == nil {
		t.Error("a client takes what it does not know")
	}
	c, err := NewClient([]string{Mechanism}, []byte("hash"))
	if err != nil || c.header != "y,," {
		t.Errorf("a client that could bind says %s, %v; want y,,", c.header, err)
	}
}

func TestChallengeIsRefused(t *testing.T) {
	for name, message := range map[string]string{
		"empty":           "",
		"another nonce":   "r=zzz,s=" + rfcSalt + ",i=4096",
		"nothing added":   "r=" + rfcNonce + ",s=" + rfcSalt + ",i=4096",
		"binary nonce":    "r=" + rfcNonce + "\x00,s=" + rfcSalt + ",i=4096",
		"no salt":         "r=" + rfcNonce + rfcServer + ",i=4096",
		"empty salt":      "r=" + rfcNonce + rfcServer + ",s=,i=4096",
		"bad salt":        "r=" + rfcNonce + rfcServer + ",s=***,i=4096",
		"long salt":       "r=" + rfcNonce + rfcServer + ",s=" + strings.Repeat("AAAA", 1000) + ",i=4096",
		"no iterations":   "r=" + rfcNonce + rfcServer + ",s=" + rfcSalt,
		"zero iterations": "r=" + rfcNonce + rfcServer + ",s=" + rfcSalt + ",i=0",
		"many iterations": "r=" + rfcNonce + rfcServer + ",s=" + rfcSalt + ",i=99999999999",
		"mandatory":       "m=x,r=" + rfcNonce + rfcServer + ",s=" + rfcSalt + ",i=4096",
	} {
		c := clientOf(t, Mechanism, "n,,", nil)
		c.nonce = rfcNonce
		c.First()
		if _, err := c.Challenge([]byte(message)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestParseVerifier(t *testing.T) {
	good := verifierText(t, "x", rfcSalt, 4096)
	if v, err := ParseVerifier([]byte(good)); err != nil || v.iterations != 4096 || base64.StdEncoding.EncodeToString(v.salt) != rfcSalt {
		t.Errorf("%v, %v", v, err)
	}
	if !IsVerifier([]byte(good)) || IsVerifier([]byte("md5"+strings.Repeat("0", 32))) {
		t.Error("verifiers are not told from others")
	}
	parts := strings.FieldsFunc(good, func(r rune) bool { return r == '$' || r == ':' })
	build := func(i int, value string) string {
		p := append([]string(nil), parts...)
		p[i] = value
		return p[0] + "$" + p[1] + ":" + p[2] + "$" + p[3] + ":" + p[4]
	}
	for name, text := range map[string]string{
		"empty":          "",
		"plain":          "a password",
		"md5":            "md5" + strings.Repeat("0", 32),
		"another":        build(0, "SCRAM-SHA-1"),
		"no iterations":  build(1, ""),
		"bad iterations": build(1, "4o96"),
		"negative":       build(1, "-1"),
		"no salt":        build(2, ""),
		"bad salt":       build(2, "*"),
		"short key":      build(3, parts[3][:40]),
		"bad key":        build(4, "*"+parts[4][1:]),
		"cut off":        good[:strings.LastIndex(good, ":")],
		"no keys":        good[:strings.LastIndex(good, "$")],
		"no salt at all": "SCRAM-SHA-256$4096$" + parts[3] + ":" + parts[4],
		"too long":       good + strings.Repeat("x", maxVerifier),
		"garbage":        good + "x",
	} {
		if v, err := ParseVerifier([]byte(text)); err == nil || v != nil {
			t.Errorf("%s: taken", name)
		} else if strings.Contains(err.Error(), parts[3][:8]) {
			t.Errorf("%s: the error quotes it: %v", name, err)
		}
	}
}

// TestSecretsAreNotPrinted, and are gone after Zero.
func TestSecretsAreNotPrinted(t *testing.T) {
	v, key := rfcVerifier(t), passwordKey(t)
	s := rfcExchange(t, nil, Mechanism)
	c := clientOf(t, Mechanism, "n,,", nil)
	held := struct {
		v *Verifier
		k *Key
	}{v, key}
	for _, value := range []any{v, *v, key, *key, s, c, held} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
			text := fmt.Sprintf(verb, value)
			for _, secret := range [][]byte{v.keys.stored[:4], v.keys.server[:4], key.bytes[:4]} {
				for _, form := range []string{string(secret), fmt.Sprintf("%x", secret), strings.Trim(fmt.Sprint(secret), "[]"), base64.RawStdEncoding.EncodeToString(secret)[:5]} {
					if strings.Contains(text, form) {
						t.Errorf("%s of %T shows a key", verb, value)
					}
				}
			}
		}
		if text, err := json.Marshal(value); err != nil || len(text) > 20 {
			t.Errorf("JSON of %T: %s, %v", value, text, err)
		}
	}
	copied := v.Clone()
	v.Zero()
	key.Zero()
	(*Key)(nil).Zero()
	if *v.keys != (verifierKeys{}) || *key.bytes != [keySize]byte{} {
		t.Error("a key is still there")
	}
	if *copied.keys == *v.keys {
		t.Error("the copy went with it")
	}
}
