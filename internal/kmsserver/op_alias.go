package kmsserver

import "strings"

// API_CreateAlias.
func (s *Server) opCreateAlias(c *call) (any, error) {
	in, err := decode[struct{ AliasName, TargetKeyId string }](c)
	if err != nil {
		return nil, err
	}
	k, err := s.lookupManaged(c, in.TargetKeyId)
	if err != nil {
		return nil, err
	}
	return struct{}{}, s.makeAlias(in.AliasName, k)
}

// makeAlias: an alias and its key are of one account and Region; names that begin
// with alias/aws/ are AWS's own (API_CreateAlias).
func (s *Server) makeAlias(name string, k *key) error {
	if !validAlias.MatchString(name) || strings.HasPrefix(name, "alias/aws/") {
		return failure("InvalidAliasNameException", "%s is not a valid alias name", name)
	}
	if err := k.checkNotPending(); err != nil {
		return err
	}
	alias := aliasName{k.account, k.region, name}
	if _, exists := s.aliases[alias]; exists {
		return failure("AlreadyExistsException", "An alias with the name %s already exists", alias.arn())
	}
	s.aliases[alias] = k.keyName
	return nil
}

// API_UpdateAlias: the new key must be of the old one's kind and usage.
func (s *Server) opUpdateAlias(c *call) (any, error) {
	in, err := decode[struct{ AliasName, TargetKeyId string }](c)
	if err != nil {
		return nil, err
	}
	alias, err := s.ownAlias(c, in.AliasName)
	if err != nil {
		return nil, err
	}
	k, err := s.lookupManaged(c, in.TargetKeyId)
	if err != nil {
		return nil, err
	}
	if err := k.checkNotPending(); err != nil {
		return nil, err
	}
	if old := s.keys[s.aliases[alias]]; old.usage != k.usage || old.symmetric() != k.symmetric() {
		return nil, failure("ValidationException", "%s and the alias's key are not of one kind", k.arn())
	}
	s.aliases[alias] = k.keyName
	return struct{}{}, nil
}

// API_DeleteAlias: works whatever the key's state (developer guide, key-state).
func (s *Server) opDeleteAlias(c *call) (any, error) {
	in, err := decode[struct{ AliasName string }](c)
	if err != nil {
		return nil, err
	}
	alias, err := s.ownAlias(c, in.AliasName)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(c, s.keys[s.aliases[alias]], "kms:DeleteAlias", nil); err != nil {
		return nil, err
	}
	delete(s.aliases, alias)
	return struct{}{}, nil
}

func (s *Server) ownAlias(c *call, name string) (aliasName, error) {
	alias := aliasName{c.who.account, c.region, name}
	if _, ok := s.aliases[alias]; !ok {
		return alias, failure("NotFoundException", "Alias %s is not found.", alias.arn())
	}
	return alias, nil
}

// API_ListAliases: of one key if KeyId is given.
func (s *Server) opListAliases(c *call) (any, error) {
	in, err := decode[struct{ KeyId string }](c)
	if err != nil {
		return nil, err
	}
	var only *key
	if in.KeyId != "" {
		if only, err = s.lookupManaged(c, in.KeyId); err != nil {
			return nil, err
		}
	}
	var entries []map[string]string
	for alias, target := range s.aliases {
		if alias.account != c.who.account || alias.region != c.region || (only != nil && target != only.keyName) {
			continue
		}
		entries = append(entries, map[string]string{
			"AliasName": alias.name, "AliasArn": alias.arn(), "TargetKeyId": target.id,
		})
	}
	return page(c, "Aliases", "AliasName", entries)
}
