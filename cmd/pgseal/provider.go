package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/crypto/kms/aws"
	"github.com/pgseal/pgseal/crypto/kms/gocloud"
	"github.com/pgseal/pgseal/crypto/kms/local"
	"github.com/pgseal/pgseal/crypto/kms/vault"
	"github.com/pgseal/pgseal/internal/config"
)

// providers are what kms.provider may name, in the order of the documentation.
var providers = []struct {
	name     string
	prefixes []string
	example  string // of a key's name
	check    func(key string) error
	make     func(ctx context.Context, c config.KMS) (kms.Provider, error)
}{
	{"aws", []string{"arn:"}, "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-…", checkAWSKey, newAWS},
	{"gcp", []string{gocloud.PrefixGCP}, gocloud.PrefixGCP + "projects/…/cryptoKeys/KEY", gocloud.CheckGCP, newGCP},
	{"azure", []string{gocloud.PrefixAzure}, gocloud.PrefixAzure + "VAULT.vault.azure.net/keys/KEY/VERSION", gocloud.CheckAzure, newAzure},
	{"vault", []string{vault.Prefix}, vault.Prefix + "MOUNT/NAME", vault.CheckName, newVault},
	{"local", []string{local.Prefix}, local.Prefix + "NAME", checkLocalKey, newLocal},
}

// newProvider makes the KMS providers that the configuration names, behind its
// allow-list; other Regions of a multi-Region key stand in for one that is silent.
// It makes no call.
func newProvider(ctx context.Context, c config.KMS) (kms.Provider, error) {
	var routes []kms.Route
	for _, p := range providers {
		if !c.Has(p.name) {
			continue
		}
		made, err := p.make(ctx, c)
		if err != nil {
			return nil, err
		}
		routes = append(routes, kms.Route{Name: p.name, Prefixes: p.prefixes, Provider: made})
	}
	router, err := kms.NewRouter(routes...)
	if err != nil {
		return nil, err
	}
	allowed, err := kms.Allow(router, c.Allow, c.DefaultKey.ARNs()...)
	if err != nil {
		return nil, fmt.Errorf("kms.allow: %w", err)
	}
	return kms.Failover(allowed), nil
}

func newAWS(ctx context.Context, c config.KMS) (kms.Provider, error) {
	p, err := aws.New(ctx, aws.Options{
		Region: c.AWS.Region, Endpoint: c.AWS.Endpoint, STSEndpoint: c.AWS.STSEndpoint, FIPS: c.AWS.FIPS, Proxy: c.AWS.Proxy,
		Profile: c.AWS.Profile, Timeout: c.Timeout,
	})
	if err != nil {
		return nil, fmt.Errorf("kms.aws: %w", err)
	}
	return p, nil
}

func newGCP(_ context.Context, c config.KMS) (kms.Provider, error) {
	return gocloud.NewGCP(c.Timeout), nil
}

func newAzure(_ context.Context, c config.KMS) (kms.Provider, error) {
	return gocloud.NewAzure(c.Timeout), nil
}

func newVault(_ context.Context, c config.KMS) (kms.Provider, error) {
	v := c.Vault
	login := vault.Login{Method: v.Login, Mount: v.Mount, Role: v.Role}
	if v.Login == "token" {
		login.TokenFile = v.File
	} else {
		login.File = v.File
	}
	p, err := vault.New(vault.Options{Address: v.Address, Namespace: v.Namespace, CA: v.CA, Timeout: c.Timeout, Login: login})
	if err != nil {
		return nil, fmt.Errorf("kms.vault: %w", err)
	}
	return p, nil
}

func newLocal(_ context.Context, c config.KMS) (kms.Provider, error) {
	p, err := local.New(c.Local.File)
	if err != nil {
		return nil, fmt.Errorf("kms.local.file: %w; pgseal init makes it", err)
	}
	return p, nil
}

// checkKeyName holds a key's name to the form of a configured provider.
func checkKeyName(c config.KMS, key string) error {
	var examples []string
	for _, p := range providers {
		if !c.Has(p.name) {
			continue
		}
		err := p.check(key)
		if err == nil {
			return nil
		}
		if slices.ContainsFunc(p.prefixes, func(prefix string) bool { return strings.HasPrefix(key, prefix) }) {
			return err
		}
		examples = append(examples, p.example)
	}
	return fmt.Errorf("%q is not a key of kms.provider (%s): it looks like %s", key, c.Provider, strings.Join(examples, " or "))
}

func checkAWSKey(key string) error {
	_, err := aws.ParseARN(key)
	return err
}

func checkLocalKey(key string) error {
	if name, ok := strings.CutPrefix(key, local.Prefix); !ok || name == "" {
		return fmt.Errorf("%q is not a local key: it looks like %sNAME", key, local.Prefix)
	}
	return nil
}
