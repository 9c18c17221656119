package crypto

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/secret"
)

var update = flag.Bool("update", false, "write testdata/vectors.json anew")

const vectorsFile = "testdata/vectors.json"

// vector is one entry of testdata/vectors.json; bytes are in hexadecimal, the
// id is a decimal string, since not every JSON reader keeps 64 bits.
type vector struct {
	Name       string `json:"name"`
	Key        string `json:"key"`
	KeyID      uint64 `json:"key_id,string"`
	Org        string `json:"org"`
	Context    string `json:"context"`
	Nonce      string `json:"nonce"`
	AAD        string `json:"aad"`
	Plaintext  string `json:"plaintext"`
	Frame      string `json:"zstd_frame,omitempty"` // what is sealed in place of the plaintext
	Sealed     string `json:"sealed"`
	Commitment string `json:"commitment"`
}

// vectorInputs are what the vectors are made of; the rest follows from the
// format's description.
var vectorInputs = []struct {
	name, key          string
	id                 uint64
	org, context, text string
	nonce              string
	frame              string // in hexadecimal; empty for a value that is not compressed
}{
	{"text", strings.Repeat("00", 32), 1, "acme", "public.spans.attributes", "hello", strings.Repeat("00", 12), ""},
	{"the empty value", strings.Repeat("11", 32), 2, "acme", "public.spans.attributes", "", "000102030405060708090a0b", ""},
	{"the highest id", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", MaxKeyID, "globex",
		"public.request_logs.response_body", `{"a":1}`, "ffffffffffffffffffffffff", ""},
	{"names beyond ASCII", strings.Repeat("a5", 32), 0x0123456789abcdef, "Müller & Söhne", "schéma.table.colonne", "naïve ✓", "1234567890abcdef12345678", ""},
	{"the longest org and context", strings.Repeat("5a", 32), 4711, strings.Repeat("o", MaxOrg), strings.Repeat("c", MaxContext),
		strings.Repeat("0123456789abcdef", 5), "0c0b0a090807060504030201", ""},
	{"org and context that run together", strings.Repeat("33", 32), 5, "a", "bc.d", "x", "00000000000000000000000c", ""},
	// A frame of one block that says: 300 times the letter a (RFC 8878, 3.1.1.2.2).
	{"compressed", strings.Repeat("77", 32), 6, "acme", "public.spans.attributes", strings.Repeat("a", 300), "0102030405060708090a0b0c",
		"28b52ffd602c0063090061"},
}

// openByTheBook opens a sealed value as docs/sealed-format.md says, with
// nothing of this package.
func openByTheBook(key []byte, sealed []byte, org, context string) ([]byte, error) {
	if len(sealed) < 40 || !bytes.Equal(sealed[:3], []byte{0x5e, 0xa1, 0x01}) || sealed[3] > 1 {
		return nil, errors.New("not a sealed value")
	}
	aad := append([]byte{}, sealed[:12]...)
	aad = append(aad, byte(len(org)>>8), byte(len(org)))
	aad = append(aad, org...)
	aad = append(aad, byte(len(context)>>8), byte(len(context)))
	aad = append(aad, context...)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	plaintext, err := gcm.Open(nil, sealed[12:24], sealed[24:], aad)
	if err != nil || sealed[3] == 0 {
		return plaintext, err
	}
	d, err := zstd.NewReader(nil)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.DecodeAll(plaintext, nil)
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// makeVectors builds the vectors with the standard library's GCM under a fixed
// nonce, which the package itself never does.
func makeVectors(t *testing.T) []vector {
	t.Helper()
	var vectors []vector
	for _, in := range vectorInputs {
		key, nonce := unhex(t, in.key), unhex(t, in.nonce)
		block, err := aes.NewCipher(key)
		if err != nil {
			t.Fatal(err)
		}
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			t.Fatal(err)
		}
		header, sealedText := Header{KeyID: in.id}, []byte(in.text)
		if in.frame != "" {
			header.Flags, sealedText = flagZstd, unhex(t, in.frame)
		}
		aad := appendAAD(nil, header, in.org, in.context)
		sealed := gcm.Seal(append(header.Append(nil), nonce...), nonce, sealedText, aad)
		commitment := Commitment(key, in.id, in.org)
		vectors = append(vectors, vector{
			Name: in.name, Key: in.key, KeyID: in.id, Org: in.org, Context: in.context, Nonce: in.nonce,
			AAD: hex.EncodeToString(aad), Plaintext: hex.EncodeToString([]byte(in.text)), Frame: in.frame,
			Sealed: hex.EncodeToString(sealed), Commitment: hex.EncodeToString(commitment[:]),
		})
	}
	return vectors
}

func readVectors(t testing.TB) []vector {
	t.Helper()
	data, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) < len(vectorInputs) {
		t.Fatalf("%s has %d vectors", vectorsFile, len(vectors))
	}
	return vectors
}

// TestVectorsAreStable: the file's bytes are what the format gives, so that a
// change of the format can't pass unseen.
func TestVectorsAreStable(t *testing.T) {
	made, err := json.MarshalIndent(makeVectors(t), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	made = append(made, '\n')
	if *update {
		if err := os.WriteFile(vectorsFile, made, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(file, made) {
		t.Errorf("%s differs from what the format gives; if the format changed, it needs a new number", vectorsFile)
	}
}

func TestVectorsOpen(t *testing.T) {
	for _, v := range readVectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			key, sealed, want := unhex(t, v.Key), unhex(t, v.Sealed), unhex(t, v.Plaintext)
			commitment := Commitment(key, v.KeyID, v.Org)
			if hex.EncodeToString(commitment[:]) != v.Commitment {
				t.Errorf("commitment %x", commitment)
			}
			if got, err := openByTheBook(key, sealed, v.Org, v.Context); err != nil || !bytes.Equal(got, want) {
				t.Errorf("by the book: %q, %v", got, err)
			}
			k, err := NewOpeningKey(v.KeyID, v.Org, key)
			if err != nil {
				t.Fatal(err)
			}
			if id, err := KeyID(sealed); err != nil || id != v.KeyID {
				t.Errorf("key id %d, %v", id, err)
			}
			if got, err := k.Open(nil, sealed, v.Context); err != nil || !bytes.Equal(got, want) {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

// TestEveryBitCounts flips each bit of each vector's sealed value, org and
// context, and cuts and lengthens the value: nothing of it opens.
func TestEveryBitCounts(t *testing.T) {
	for _, v := range readVectors(t) {
		key, sealed := unhex(t, v.Key), unhex(t, v.Sealed)
		refuses := func(what string, org, context string, sealed []byte) {
			t.Helper()
			k, err := NewOpeningKey(v.KeyID, org, secret.Bytes(bytes.Clone(key)))
			if err != nil {
				t.Fatal(err)
			}
			got, err := k.Open(nil, sealed, context)
			var e *pgerr.Error
			if got != nil || !errors.As(err, &e) || e.Code != pgerr.DoesNotOpen || e.Anchor != "ps003" {
				t.Errorf("%s: %s opens: %v", v.Name, what, err)
			}
		}
		for i := range sealed {
			for bit := range 8 {
				flipped := bytes.Clone(sealed)
				flipped[i] ^= 1 << bit
				refuses("a flipped bit in the value", v.Org, v.Context, flipped)
			}
		}
		flip := func(s string, i, bit int) string {
			b := []byte(s)
			b[i] ^= 1 << bit
			return string(b)
		}
		for bit := range 8 {
			for i := range v.Org {
				refuses("a flipped bit in the org", flip(v.Org, i, bit), v.Context, sealed)
			}
			for i := range v.Context {
				refuses("a flipped bit in the context", v.Org, flip(v.Context, i, bit), sealed)
			}
		}
		for n := range sealed {
			refuses("a value cut short", v.Org, v.Context, sealed[:n])
		}
		refuses("a value with a byte more", v.Org, v.Context, append(bytes.Clone(sealed), 0))
		refuses("another context", v.Org, v.Context[1:]+"x", sealed)
		refuses("no context", v.Org, "", sealed)
		refuses("a context too long", v.Org, v.Context+strings.Repeat("x", MaxContext), sealed)
		if len(v.Context) > 1 && len(v.Org) < MaxOrg { // where one ends and the other begins counts too
			refuses("org and context cut elsewhere", v.Org+v.Context[:1], v.Context[1:], sealed)
		}
	}
}

// TestPageHasTheVector holds docs/sealed-format.md's worked example to the file.
func TestPageHasTheVector(t *testing.T) {
	page, err := os.ReadFile("../docs/sealed-format.md")
	if err != nil {
		t.Fatal(err)
	}
	v := readVectors(t)[0]
	for what, want := range map[string]string{
		"associated data": v.AAD, "sealed value": v.Sealed, "commitment": v.Commitment,
		"base64": base64.StdEncoding.EncodeToString(unhex(t, v.Sealed)),
	} {
		if !bytes.Contains(page, []byte(want)) {
			t.Errorf("docs/sealed-format.md lacks the %s %s", what, want)
		}
	}
}
