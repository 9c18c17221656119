package proxy

import (
	"context"
	"crypto/fips140"
	"crypto/md5"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/pgseal/pgseal/internal/authquery"
)

// md5SaltSize is the size of AuthenticationMD5Password's salt.
const md5SaltSize = 4

// md5Version is what answers are kept under where the server asks for md5: its
// salt tells nothing of the password.
const md5Version = "md5"

// refuseMD5 is for a process that may use approved cryptography only
// (GODEBUG=fips140=only), where package md5 panics.
func (a *authentication) refuseMD5() error {
	if !fips140.Enforced() {
		return nil
	}
	return a.strange(errors.New("md5 is asked for, which FIPS 140-3 mode does not allow: have pg_hba.conf ask for scram-sha-256, and set the password anew"))
}

// byMD5 authenticates both where the server asks for an md5 hash. The stored hash
// is all that an answer takes: whoever has it can log in.
func (a *authentication) byMD5(ctx context.Context, theirs []byte) error {
	if len(theirs) != md5SaltSize {
		return a.strange(fmt.Errorf("upstream's md5 salt has %d bytes", len(theirs)))
	}
	if err := a.refuseMD5(); err != nil {
		return err
	}
	stored, err := a.stored(ctx, a.passwords().Lookup, md5Version)
	if err != nil {
		return err
	}
	defer func() { stored.Zero() }()
	response, salt, err := a.askMD5()
	if err != nil {
		return err
	}
	if a.checkMD5(stored, response, salt) != nil {
		// The password may have been changed since.
		stored.Zero()
		if stored, err = a.stored(ctx, a.passwords().Fresh, md5Version); err != nil {
			return err
		}
		if err := a.checkMD5(stored, response, salt); err != nil {
			return err
		}
	}
	hash := md5Response(stored.MD5, theirs)
	defer clear(hash)
	if err := a.answer(append(hash, 0)); err != nil {
		return err
	}
	if _, err := a.expect(requestOK); err != nil {
		return err
	}
	return a.accept(nil)
}

// askMD5 asks the client for an md5 hash, with a salt of pgseal's own.
func (a *authentication) askMD5() (response, salt []byte, err error) {
	salt = make([]byte, md5SaltSize)
	_, _ = rand.Read(salt) // never fails
	if err := a.tell(appendRequest(nil, requestMD5, salt)); err != nil {
		return nil, nil, err
	}
	body, err := a.response("password")
	if err != nil {
		return nil, nil, err
	}
	response, err = parsePassword(body)
	return response, salt, err
}

// checkMD5 compares a client's response with what is stored (md5_crypt_verify).
func (a *authentication) checkMD5(stored authquery.Stored, response, salt []byte) error {
	want := md5Response(stored.MD5, salt)
	defer clear(want)
	if subtle.ConstantTimeCompare(response, want) != 1 || stored.MD5 == nil {
		return a.refusePassword(stored.Missing)
	}
	return nil
}

// md5Response is what proves that one knows the stored hash, or the password that
// it was made from: "md5" and the hash of its digits and the salt (pg_md5_encrypt).
func md5Response(stored, salt []byte) []byte {
	h := md5.New()
	if len(stored) > len("md5") {
		h.Write(stored[len("md5"):])
	}
	h.Write(salt)
	return hex.AppendEncode([]byte("md5"), h.Sum(nil))
}
