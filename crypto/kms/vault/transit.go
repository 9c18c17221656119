package vault

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/internal/secret"
)

// request is what encrypt and decrypt take. Bytes are base64 in JSON.
type request struct {
	Plaintext      []byte `json:"plaintext,omitempty"`
	Ciphertext     string `json:"ciphertext,omitempty"`
	AssociatedData []byte `json:"associated_data"`
	Context        []byte `json:"context"` // used by keys with derived=true only
	// Type is that of a key which encrypt is to make if there is none. There is
	// no such type, so it makes none.
	Type string `json:"type,omitempty"`
}

const noType = "pgseal-makes-no-keys"

func bind(ec map[string]string) request {
	bytes := kms.AppendContext([]byte(associatedDataTag), ec)
	return request{AssociatedData: bytes, Context: bytes}
}

// GenerateDataKey implements kms.Provider.
func (p *Provider) GenerateDataKey(ctx context.Context, key kms.Key, ec map[string]string) (kms.Generated, error) {
	plaintext := make(secret.Bytes, 32)
	_, _ = rand.Read(plaintext) // never fails (crypto/rand)
	wrapped, err := p.encrypt(ctx, "GenerateDataKey", key, plaintext, ec)
	if err != nil {
		plaintext.Zero()
		return kms.Generated{}, err
	}
	return kms.Generated{Plaintext: plaintext, Wrapped: wrapped.Blob, KeyARN: wrapped.KeyARN}, nil
}

// Encrypt implements kms.Provider.
func (p *Provider) Encrypt(ctx context.Context, key kms.Key, plaintext secret.Bytes, ec map[string]string) (kms.Wrapped, error) {
	return p.encrypt(ctx, "Encrypt", key, plaintext, ec)
}

func (p *Provider) encrypt(ctx context.Context, op string, key kms.Key, plaintext secret.Bytes, ec map[string]string) (kms.Wrapped, error) {
	r := bind(ec)
	r.Plaintext, r.Type = plaintext, noType
	var answer struct {
		Ciphertext string `json:"ciphertext"`
	}
	if err := p.call(ctx, op, key.ARN, "encrypt", &r, &answer); err != nil {
		return kms.Wrapped{}, err
	}
	if answer.Ciphertext == "" {
		return kms.Wrapped{}, malformed(op, key.ARN)
	}
	return kms.Wrapped{Blob: []byte(answer.Ciphertext), KeyARN: key.ARN}, nil
}

// Decrypt implements kms.Provider.
func (p *Provider) Decrypt(ctx context.Context, key kms.Key, wrapped []byte, ec map[string]string) (secret.Bytes, error) {
	const op = "Decrypt"
	r := bind(ec)
	r.Ciphertext = string(wrapped)
	if r.Ciphertext == "" { // which Vault would take for a request that lacks something
		return nil, &kms.Error{Op: op, Key: key.ARN, Damaged: true, Reason: reasonCiphertext, Err: errors.New("an empty wrapped key")}
	}
	var answer struct {
		Plaintext []byte `json:"plaintext"`
	}
	if err := p.call(ctx, op, key.ARN, "decrypt", &r, &answer); err != nil {
		return nil, err
	}
	if len(answer.Plaintext) == 0 {
		return nil, malformed(op, key.ARN)
	}
	return answer.Plaintext, nil
}

// types are those of keys that authenticate what they encrypt, with 256 bits.
var types = []string{"aes256-gcm96", "chacha20-poly1305", "xchacha20-poly1305"}

// description is what reading a key gives.
type description struct {
	Type               string `json:"type"`
	LatestVersion      int    `json:"latest_version"`
	SupportsEncryption bool   `json:"supports_encryption"`
	SupportsDecryption bool   `json:"supports_decryption"`
	Convergent         bool   `json:"convergent_encryption"`
	SoftDeleted        bool   `json:"soft_deleted"` // OpenBao's
	AutoRotatePeriod   int64  `json:"auto_rotate_period"`
	// Keys has the time at which each version was made: Unix seconds for
	// symmetric keys; other types have objects there.
	Keys map[string]json.RawMessage `json:"keys"`
}

// Check implements kms.Provider by reading the key.
func (p *Provider) Check(ctx context.Context, key kms.Key) (kms.KeyState, error) {
	const op = "Check"
	var d description
	if err := p.call(ctx, op, key.ARN, "keys", nil, &d); err != nil {
		return kms.KeyState{}, err
	}
	if d.Type == "" {
		return kms.KeyState{}, malformed(op, key.ARN)
	}
	state := kms.KeyState{ARN: key.ARN, State: "Enabled", Spec: d.Type, Rotation: d.rotation()}
	if d.SupportsEncryption && d.SupportsDecryption {
		state.Usage = "ENCRYPT_DECRYPT"
	}
	refuse := func(reason, format string, args ...any) (kms.KeyState, error) {
		return state, &kms.Error{Op: op, Key: key.ARN, Refused: true, Reason: reason, Err: fmt.Errorf(format, args...)}
	}
	switch {
	case d.SoftDeleted:
		state.State = "Disabled"
		return refuse("DisabledException", "the key is soft-deleted")
	case !slices.Contains(types, d.Type):
		return refuse(d.Type, "the key's type is %s; pgseal needs one of %s", d.Type, types)
	case d.Convergent:
		return refuse("ConvergentEncryption", "the key is convergent: make one without convergent_encryption")
	}
	return state, nil
}

// rotation tells of the key's versions, which all decrypt and the latest of which
// encrypts.
func (d *description) rotation() kms.Rotation {
	r := kms.Rotation{MaterialID: "v" + strconv.Itoa(d.LatestVersion), Automatic: d.AutoRotatePeriod > 0}
	made, err := strconv.ParseInt(string(d.Keys[strconv.Itoa(d.LatestVersion)]), 10, 64)
	if err != nil {
		return r
	}
	at := time.Unix(made, 0).UTC()
	if d.LatestVersion > 1 {
		r.Last = at
	}
	if r.Automatic {
		r.Next = at.Add(time.Duration(d.AutoRotatePeriod) * time.Second)
	}
	return r
}

// call asks the engine about a key, or to do something with it, and reads the
// data of the answer. It logs in first where that is due, and once more when Vault
// does not know the token any more.
func (p *Provider) call(ctx context.Context, op, keyARN, what string, r *request, answer any) error {
	name, err := parseName(keyARN)
	if err != nil {
		return &kms.Error{Op: op, Key: keyARN, Refused: true, Reason: "InvalidArnException", Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	for fresh := false; ; fresh = true {
		if err := p.login.ready(ctx, fresh); err != nil {
			return classify(op, keyARN, err)
		}
		err := p.ask(ctx, name.path(what), r, answer)
		if err == nil {
			return nil
		}
		if fresh || !p.login.renewable() || !isInvalidToken(err) {
			return classify(op, keyARN, err)
		}
	}
}

// ask makes one request. What is read of the answer is cleared behind it, since
// a data key may be in it.
func (p *Provider) ask(ctx context.Context, path string, r *request, answer any) error {
	method := http.MethodGet
	if r != nil {
		method = http.MethodPut
	}
	call := p.client.NewRequest(method, "/v1/"+path)
	if r != nil {
		if err := call.SetJSONBody(r); err != nil {
			return err
		}
	}
	// Logical's WriteRaw loses the body when a standby redirects, and its Write
	// makes a string of the data key, which can't be cleared.
	//lint:ignore SA1019 see above
	response, err := p.client.RawRequestWithContext(ctx, call)
	if response != nil {
		defer func() { _ = response.Body.Close() }() // only read from
	}
	if err != nil {
		return err
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	defer clear(data)
	if err != nil {
		return err
	}
	envelope := struct {
		Data any `json:"data"`
	}{answer}
	if err := json.Unmarshal(data, &envelope); err != nil {
		return errors.New("the answer is not Vault's") // json's words may quote it
	}
	return nil
}

func malformed(op, keyARN string) *kms.Error {
	return &kms.Error{Op: op, Key: keyARN, Reason: kms.ReasonNetwork, Err: errors.New("the answer lacks what was asked for")}
}
