package proxy

import (
	"encoding/binary"
	"strconv"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// Between pgseal and the database may be a pooler that gives each transaction
// another of its connections, as PgBouncer in transaction mode does. What a
// session has SET there is then some session's, maybe another client's.

// pooled tells whether the process that answers a question is another than the
// one that the session was told of at its start (BackendKeyData): poolers make up
// that one's number. answering is what pg_backend_pid() says.
func (s *session) pooled(answering string) bool {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	if len(s.cancelKey) < 4 {
		return false
	}
	told := binary.BigEndian.Uint32([]byte(s.cancelKey[:4]))
	return strconv.FormatUint(uint64(told), 10) != answering
}

// errPooledSetting refuses a setting that may be another client's.
func errPooledSetting(name string) *pgerr.Error {
	return &pgerr.Error{
		Code:    pgerr.FeatureNotSupported,
		Message: "the setting " + name + " may be another client's",
		Detail:  "A pooler between pgseal and the database shares its connections among clients.",
		Hint:    "SET LOCAL " + name + " in the transaction.",
		Anchor:  "pooled-setting",
	}
}
