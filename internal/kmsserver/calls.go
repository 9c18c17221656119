package kmsserver

import "time"

// callKind is what calls are counted by.
type callKind struct{ op, arn string }

// Calls is how often an operation was asked for, on a key by its ARN, since the
// start or ResetCalls: refused, faulted and retried ones too. An empty op or arn
// means any. ReEncrypt counts for both of its keys.
func (s *Server) Calls(op, arn string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[callKind{op, arn}]
}

// ResetCalls sets all counts to zero.
func (s *Server) ResetCalls() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.counts)
}

// count is called with s.mu held.
func (s *Server) count(op string, keys []*key) {
	s.counts[callKind{op, ""}]++
	s.counts[callKind{"", ""}]++
	for _, k := range keys {
		s.counts[callKind{op, k.arn()}]++
		s.counts[callKind{"", k.arn()}]++
	}
}

// keysOf gives the keys that the call is about, as far as they exist.
func (s *Server) keysOf(c *call) []*key {
	in, err := decode[struct {
		KeyId, TargetKeyId, SourceKeyId, DestinationKeyId string
		CiphertextBlob                                    []byte
	}](c)
	if err != nil {
		return nil
	}
	var keys []*key
	add := func(k *key) {
		for _, have := range keys {
			if have == k {
				return
			}
		}
		if k != nil {
			keys = append(keys, k)
		}
	}
	for _, id := range []string{in.KeyId, in.TargetKeyId, in.SourceKeyId, in.DestinationKeyId} {
		if id != "" {
			k, _ := s.lookup(c, id) // not found: nil
			add(k)
		}
	}
	if in.KeyId == "" && in.SourceKeyId == "" {
		if ciphertext, ok := s.parse(in.CiphertextBlob); ok {
			add(s.keys[keyName{ciphertext.account, c.region, ciphertext.id}])
		}
	}
	return keys
}

// quota is the request quota of the cryptographic operations, which they share in
// the caller's account and Region (developer guide, requests-per-second).
type quota struct {
	perSecond int // 0: none
	second    time.Time
	used      map[place]int // in the second
}

type place struct{ account, region string }

// SetQuota limits the cryptographic operations a second, of each account and Region;
// 0 is no limit, as at the start.
func (s *Server) SetQuota(perSecond int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quota = quota{perSecond: perSecond}
}

func (s *Server) take(c *call) error {
	q := &s.quota
	if q.perSecond == 0 || !cryptographic[c.op] {
		return nil
	}
	if second := c.now.Truncate(time.Second); !second.Equal(q.second) {
		q.second, q.used = second, map[place]int{}
	}
	at := place{c.who.account, c.region}
	if q.used[at]++; q.used[at] > q.perSecond {
		return errThrottled()
	}
	return nil
}

// errThrottled: developer guide, throttling.
func errThrottled() error {
	return failure("ThrottlingException", "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.")
}
