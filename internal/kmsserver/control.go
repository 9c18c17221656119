package kmsserver

import (
	"cmp"
	"fmt"
)

// What follows does to keys what their owner would do in AWS, without the network
// and without asking for permission.

// CreateKey makes a key and gives its ARN.
func (s *Server) CreateKey(o KeyOptions) (arn string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o.Region, o.Account = cmp.Or(o.Region, s.region), cmp.Or(o.Account, s.account)
	k, err := s.makeKey(o, s.now())
	if err != nil {
		return "", fmt.Errorf("kmsserver: making a key: %w", err)
	}
	if o.Alias != "" {
		if err := s.makeAlias(o.Alias, k); err != nil {
			delete(s.keys, k.keyName)
			return "", fmt.Errorf("kmsserver: making a key: %w", err)
		}
	}
	return k.arn(), nil
}

// Disable does DisableKey.
func (s *Server) Disable(arn string) error {
	return s.change(arn, func(k *key) error { return k.set(stateDisabled) })
}

// Enable does EnableKey.
func (s *Server) Enable(arn string) error {
	return s.change(arn, func(k *key) error { return k.set(stateEnabled) })
}

// set: key-state, the rows of EnableKey and DisableKey.
func (k *key) set(state string) error {
	if err := k.checkNotPending(); err != nil {
		return err
	}
	switch k.state {
	case statePendingImport:
		return errPendingImport(k)
	case stateUnavailable:
		return errUnavailable(k)
	}
	k.state = state
	return nil
}

// DisconnectStore disconnects the custom key store that the key is in: the key is
// Unavailable until ConnectStore (developer guide, key-state).
func (s *Server) DisconnectStore(arn string) error { return s.setStore(arn, stateUnavailable) }

// ConnectStore connects it again.
func (s *Server) ConnectStore(arn string) error { return s.setStore(arn, stateEnabled) }

func (s *Server) setStore(arn, state string) error {
	return s.change(arn, func(k *key) error {
		if !k.ofCustomStore() {
			return fmt.Errorf("%s is in no custom key store", arn)
		}
		k.state = state
		return nil
	})
}

// ScheduleDeletion does ScheduleKeyDeletion, in 7 to 30 days.
func (s *Server) ScheduleDeletion(arn string, days int) error {
	return s.change(arn, func(k *key) error { return k.scheduleDeletion(days, s.now()) })
}

// CancelDeletion does CancelKeyDeletion: the key is Disabled then.
func (s *Server) CancelDeletion(arn string) error { return s.change(arn, (*key).cancelDeletion) }

// Delete removes the key as the end of its waiting period would.
func (s *Server) Delete(arn string) error {
	return s.change(arn, func(k *key) error { s.deleteKey(k, s.now()); return nil })
}

// Rotate does RotateKeyOnDemand.
func (s *Server) Rotate(arn string) error {
	return s.change(arn, func(k *key) error { return k.rotate(s.now()) })
}

// Replicate does ReplicateKey on a multi-Region primary key and gives the
// replica's ARN.
func (s *Server) Replicate(arn, region string) (replica string, err error) {
	err = s.change(arn, func(k *key) error {
		made, err := s.replicate(k, region, "", "", s.now())
		if err == nil {
			replica = made.arn()
		}
		return err
	})
	return replica, err
}

// Deny takes permissions on the key from every principal, over its policy: actions
// such as "kms:Decrypt"; without any, all of them.
func (s *Server) Deny(arn string, actions ...string) error {
	return s.change(arn, func(k *key) error {
		if len(actions) == 0 {
			actions = []string{"kms:*"}
		}
		for _, action := range actions {
			k.denied[action] = true
		}
		return nil
	})
}

// Allow gives back what Deny took.
func (s *Server) Allow(arn string) error {
	return s.change(arn, func(k *key) error { clear(k.denied); return nil })
}

func (s *Server) change(arn string, do func(*key) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, k := range s.keys {
		if name.arn() == arn {
			if err := do(k); err != nil {
				return fmt.Errorf("kmsserver: %w", err)
			}
			return nil
		}
	}
	return fmt.Errorf("kmsserver: there is no key %s", arn)
}

// Wrap does Encrypt.
func (s *Server) Wrap(arn string, plaintext []byte, context map[string]string) (blob []byte, err error) {
	err = s.change(arn, func(k *key) error {
		blob = s.seal(k, plaintext, context)
		return nil
	})
	return blob, err
}

// MoveAlias does UpdateAlias: name, which begins with alias/, stands for the key
// from now on.
func (s *Server) MoveAlias(name, arn string) error {
	return s.change(arn, func(k *key) error {
		alias := aliasName{k.account, k.region, name}
		if _, ok := s.aliases[alias]; !ok {
			return fmt.Errorf("there is no %s", alias.arn())
		}
		s.aliases[alias] = k.keyName
		return nil
	})
}
