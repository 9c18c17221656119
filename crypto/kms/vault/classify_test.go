package vault

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/hashicorp/vault/api"
)

// TestClassify has the answers that Vault 1.21 gave, word for word.
func TestClassify(t *testing.T) {
	answer := func(code int, words ...string) error { return &api.ResponseError{StatusCode: code, Errors: words} }
	login := func(err error) error { return &loginError{err} }
	tests := map[string]struct {
		op               string
		err              error
		refused, damaged bool
		reason           string
	}{
		"may not":              {"Decrypt", answer(403, "1 error occurred:\n\t* permission denied\n\n"), true, false, "PermissionDenied"},
		"unknown token":        {"Decrypt", answer(403, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"), false, false, "credentials"},
		"unknown key":          {"Decrypt", answer(400, "encryption key not found"), true, false, "NotFoundException"},
		"unknown key, read":    {"Check", answer(404), true, false, "NotFoundException"},
		"would make the key":   {"GenerateDataKey", answer(400, "unknown key type "+noType), true, false, "NotFoundException"},
		"no such mount":        {"Decrypt", answer(404, "no handler for route \"x/decrypt/acme\". route entry not found."), true, false, "NotFoundException"},
		"another context":      {"Decrypt", answer(400, "cipher: message authentication failed"), false, true, "InvalidCiphertextException"},
		"another context, CC":  {"Decrypt", answer(400, "chacha20poly1305: message authentication failed"), false, true, "InvalidCiphertextException"},
		"no prefix":            {"Decrypt", answer(400, "invalid ciphertext: no prefix"), false, true, "InvalidCiphertextException"},
		"old version":          {"Decrypt", answer(400, "ciphertext or signature version is disallowed by policy (too old)"), false, true, "KeyVersionDisallowed"},
		"words of another op":  {"Encrypt", answer(400, "invalid ciphertext"), true, false, "HTTP400"},
		"unknown 400":          {"Decrypt", answer(400, "something new"), true, false, "HTTP400"},
		"not allowed":          {"Decrypt", answer(405, "unsupported operation"), true, false, "HTTP405"},
		"sealed":               {"Decrypt", answer(503, "Vault is sealed"), false, false, "HTTP503"},
		"internal":             {"Decrypt", answer(500, "internal error"), false, false, "HTTP500"},
		"busy":                 {"Decrypt", answer(429, "rate limit quota exceeded"), false, false, "HTTP429"},
		"performance standby":  {"Decrypt", answer(473), false, false, "HTTP473"},
		"not there yet":        {"Decrypt", answer(412, "required index state not present"), false, false, "HTTP412"},
		"not Vault's 403":      {"Decrypt", &api.ResponseError{StatusCode: 403, RawError: true, Errors: []string{"<html>"}}, false, false, "HTTP403"},
		"timeout":              {"Decrypt", &url.Error{Op: "Put", Err: context.DeadlineExceeded}, false, false, "timeout"},
		"canceled":             {"Decrypt", fmt.Errorf("x: %w", context.Canceled), false, false, "canceled"},
		"network":              {"Decrypt", errors.New("connection refused"), false, false, "network"},
		"login refused":        {"Decrypt", login(answer(400, "invalid role or secret ID")), false, false, "credentials"},
		"login forbidden":      {"Decrypt", login(answer(403, "permission denied")), false, false, "credentials"},
		"login while sealed":   {"Decrypt", login(answer(503, "Vault is sealed")), false, false, "network"},
		"login without a file": {"Decrypt", login(fmt.Errorf("%w: gone", errNoCredentials)), false, false, "credentials"},
		"login in time":        {"Decrypt", login(context.DeadlineExceeded), false, false, "timeout"},
		"login by no network":  {"Decrypt", login(errors.New("connection refused")), false, false, "network"},
	}
	for name, test := range tests {
		e := classify(test.op, "vault:transit/acme", test.err)
		if e.Refused != test.refused || e.Damaged != test.damaged || e.Reason != test.reason || e.Op != test.op || e.Key != "vault:transit/acme" {
			t.Errorf("%s: %+v", name, e)
		}
		if text := e.Error(); strings.Contains(text, "\n") || strings.Contains(text, "<html>") {
			t.Errorf("%s: %q", name, text)
		}
	}
}
