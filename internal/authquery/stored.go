package authquery

import (
	"bytes"

	"github.com/pgseal/pgseal/internal/scram"
	"github.com/pgseal/pgseal/internal/secret"
)

// Stored is what the database stores of a user's password: one of SCRAM and MD5,
// or neither for a user who cannot log in by password.
type Stored struct {
	SCRAM *scram.Verifier
	MD5   secret.Bytes // "md5" and 32 hexadecimal digits

	// Missing says for the log, and for nobody else, why there is neither.
	Missing string
	// Iterations is what a verifier for a user who is not there would have.
	Iterations int
}

// Zero overwrites it.
func (s Stored) Zero() {
	if s.SCRAM != nil {
		s.SCRAM.Zero()
	}
	s.MD5.Zero()
}

// clone gives a copy that is zeroed on its own.
func (s Stored) clone() Stored {
	if s.SCRAM != nil {
		s.SCRAM = s.SCRAM.Clone()
	}
	s.MD5 = bytes.Clone(s.MD5)
	return s
}

// md5Size is MD5_PASSWD_LEN.
const md5Size = 35

// parse reads a rolpassword (get_password_type()); nil is NULL. It keeps nothing
// of it.
func parse(text []byte) Stored {
	switch {
	case text == nil:
		return Stored{Missing: "the user has no password"}
	case scram.IsVerifier(text):
		v, err := scram.ParseVerifier(text)
		if err != nil {
			return Stored{Missing: "what is stored begins as a SCRAM verifier, but is none"}
		}
		return Stored{SCRAM: v}
	case isMD5(text):
		return Stored{MD5: bytes.Clone(text)}
	}
	return Stored{Missing: "what is stored is neither a SCRAM verifier nor an md5 hash"}
}

func isMD5(text []byte) bool {
	digits, ok := bytes.CutPrefix(text, []byte("md5"))
	if !ok || len(text) != md5Size {
		return false
	}
	for _, c := range digits {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
