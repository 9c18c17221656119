// Package config reads the one configuration file: strict YAML, whose every
// mistake is told by file, line and key.
//
// An unknown key is an error, and so is a value that cannot work or that asks
// for what pgseal does not have yet. Secrets may name environment variables as
// ${NAME}. Nothing is contacted here: whether the database and the keys are
// there is what `pgseal check` finds out.
//
// Files: config.go has the model, defaults.go the values of what the file leaves
// out, load.go the way from a file to a Config, decode.go YAML to structs, env.go
// the variables, validate.go what values may be, size.go byte counts, problem.go
// the errors.
package config

import (
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/internal/secret"
	"github.com/pgseal/pgseal/policy"
)

// Config is a validated configuration. Paths of files in it are absolute.
type Config struct {
	Listen     Listen      `yaml:"listen"`
	TLS        TLS         `yaml:"tls"`
	Upstream   Upstream    `yaml:"upstream"`
	Auth       Auth        `yaml:"auth"`
	Keystore   Keystore    `yaml:"keystore"`
	KMS        KMS         `yaml:"kms"`
	PolicyFile policy.File `yaml:"policy"`
	Audit      Audit       `yaml:"audit"`
	Admin      Admin       `yaml:"admin"`
	Telemetry  Telemetry   `yaml:"telemetry"`
	Limits     Limits      `yaml:"limits"`

	Policy *policy.Policy `yaml:"-"` // PolicyFile, validated
}

// Listen is where clients connect.
type Listen struct {
	Address        string    `yaml:"address"`
	UnixSocket     string    `yaml:"unix_socket"`      // a folder or a path; empty: none
	UnixSocketMode string    `yaml:"unix_socket_mode"` // octal digits
	Keepalive      Keepalive `yaml:"keepalive"`
}

// TLS is about the clients' side.
type TLS struct {
	Mode string `yaml:"mode"` // disable, allow or require
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`

	ClientCA   string `yaml:"client_ca"`
	ClientAuth string `yaml:"client_auth"` // optional or require
}

// Upstream is the database that pgseal stands in front of.
type Upstream struct {
	Address            List          `yaml:"address"`              // where clients' sessions go
	TargetSessionAttrs string        `yaml:"target_session_attrs"` // any or read-write
	DSN                secret.Text   `yaml:"dsn"`                  // pgseal's own login, for the catalog and by default the keystore
	ConnectTimeout     time.Duration `yaml:"connect_timeout"`
	CatalogInterval    time.Duration `yaml:"catalog_interval"`
	TLS                UpstreamTLS   `yaml:"tls"`
	Keepalive          Keepalive     `yaml:"keepalive"`
}

// List is a list that the file may write as a text when it has one element.
type List []string

// String gives the elements as a message names them.
func (l List) String() string { return strings.Join(l, ", ") }

// UpstreamTLS is about the connections that pgseal makes for clients' sessions.
type UpstreamTLS struct {
	Mode string `yaml:"mode"` // disable, prefer, require, verify-ca or verify-full
	CA   string `yaml:"ca"`
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
}

// Keepalive is about noticing peers that are gone.
type Keepalive struct {
	Idle        time.Duration `yaml:"idle"`
	Interval    time.Duration `yaml:"interval"`
	Count       int           `yaml:"count"`
	UserTimeout time.Duration `yaml:"user_timeout"`
}

// Auth is who tells whether a client is who it says it is.
type Auth struct {
	Mode     string        `yaml:"mode"`      // passthrough, scram or cert
	Query    string        `yaml:"query"`     // what is stored of a user's password; for scram
	DSN      secret.Text   `yaml:"dsn"`       // the login that runs it; after Load never empty: upstream.dsn when the file names none
	CacheTTL time.Duration `yaml:"cache_ttl"` // of an answer
	Timeout  time.Duration `yaml:"timeout"`   // of one question
}

// Keystore is the database with org keys, wrapped data keys and the audit log.
type Keystore struct {
	DSN secret.Text `yaml:"dsn"` // after Load never empty: upstream.dsn when the file names none
}

// KMS is where data keys are generated and unwrapped, and for how long they are
// kept in memory.
type KMS struct {
	Provider       List          `yaml:"provider"` // of aws, gcp, azure, vault, local
	AWS            AWS           `yaml:"aws"`
	Vault          Vault         `yaml:"vault"`
	Local          Local         `yaml:"local"`
	Allow          []string      `yaml:"allow"` // patterns of the ARNs that keys may have; empty: any
	DefaultKey     DefaultKey    `yaml:"default_key"`
	Timeout        time.Duration `yaml:"timeout"`
	HealthInterval time.Duration `yaml:"health_interval"`
	CacheTTL       time.Duration `yaml:"cache_ttl"`
	RefreshAhead   time.Duration `yaml:"refresh_ahead"`
	MaxStale       time.Duration `yaml:"max_stale"`
	CacheKeys      int           `yaml:"cache_keys"`
	DataKey        DataKey       `yaml:"data_key"`
}

// Has tells whether a provider is among the configured ones.
func (k KMS) Has(provider string) bool { return slices.Contains(k.Provider, provider) }

// AWS says how AWS KMS is reached. Credentials come from the AWS SDK's chain.
type AWS struct {
	Region      string      `yaml:"region"`
	Endpoint    string      `yaml:"endpoint"`
	STSEndpoint string      `yaml:"sts_endpoint"`
	FIPS        bool        `yaml:"fips"`
	Proxy       secret.Text `yaml:"proxy"` // a URL, which may hold a password
	Profile     string      `yaml:"profile"`
}

// Vault says how HashiCorp Vault or OpenBao is reached. What is empty comes from
// the environment variables of Vault's own client.
type Vault struct {
	Address   string `yaml:"address"`
	Namespace string `yaml:"namespace"`
	CA        string `yaml:"ca"`
	Login     string `yaml:"login"`       // token, approle or kubernetes
	Mount     string `yaml:"login_mount"` // of the auth method; empty: named as it
	Role      string `yaml:"role"`        // a role id for approle, a role's name for kubernetes
	File      string `yaml:"file"`        // with the token, the secret id, or the service account's token
}

// Local is the key file for development.
type Local struct {
	File string `yaml:"file"`
}

// DefaultKey is the platform's own key, for orgs that have none of their own where
// the policy lets them use it.
type DefaultKey struct {
	ARN        string   `yaml:"arn"` // empty: there is none
	Replicas   []string `yaml:"replicas"`
	RoleARN    string   `yaml:"role_arn"`
	ExternalID string   `yaml:"external_id"`
}

// Key is the default key as a provider takes it.
func (d DefaultKey) Key() kms.Key {
	return kms.Key{ARN: d.ARN, Replicas: d.Replicas, RoleARN: d.RoleARN, ExternalID: d.ExternalID}
}

// ARNs are the default key's, with those of its replicas; none when there is none.
func (d DefaultKey) ARNs() []string {
	if d.ARN == "" {
		return nil
	}
	return append([]string{d.ARN}, d.Replicas...)
}

// DataKey says when a process replaces the data key that it seals with.
type DataKey struct {
	MaxAge   time.Duration `yaml:"max_age"`
	MaxSeals int64         `yaml:"max_seals"`
	MaxBytes Size          `yaml:"max_bytes"`
}

// Audit says what the audit log has beside changes of keys and refusals by access.
type Audit struct {
	Opens bool `yaml:"opens"`
}

// Admin is the HTTP listener for health and metrics.
type Admin struct {
	Address string `yaml:"address"` // empty: none
	Console bool   `yaml:"console"` // false
}

// Telemetry is what pgseal tells of itself.
type Telemetry struct {
	ServiceName string  `yaml:"service_name"`
	Log         Log     `yaml:"log"`
	Metrics     Metrics `yaml:"metrics"`
	Traces      Traces  `yaml:"traces"`
}

// Log is about log lines, which go to standard error.
type Log struct {
	Level  string `yaml:"level"`  // debug, info, warn or error
	Format string `yaml:"format"` // text or json
}

// Metrics says where metrics go.
type Metrics struct {
	Prometheus   bool          `yaml:"prometheus"`
	OTLPEndpoint string        `yaml:"otlp_endpoint"` // empty: nowhere
	Interval     time.Duration `yaml:"interval"`
}

// Traces says where spans go.
type Traces struct {
	OTLPEndpoint string  `yaml:"otlp_endpoint"` // empty: nowhere
	SampleRatio  float64 `yaml:"sample_ratio"`
}

// Limits bound what clients can ask of the process.
type Limits struct {
	Clients          int           `yaml:"clients"`
	MessageBytes     Size          `yaml:"message_bytes"`
	StartupTimeout   time.Duration `yaml:"startup_timeout"`
	IdleTimeout      time.Duration `yaml:"idle_timeout"`                // of a session outside of a transaction; zero: none
	IdleInTx         time.Duration `yaml:"idle_in_transaction_timeout"` // of a session within one; zero: none
	StatementNesting int           `yaml:"statement_nesting"`
	PlanCache        int           `yaml:"plan_cache"`
	KeyTimeout       time.Duration `yaml:"key_timeout"`
	ShutdownGrace    time.Duration `yaml:"shutdown_grace"`
}

// ParseFileMode reads a file's mode, written as octal digits.
func ParseFileMode(s string) (fs.FileMode, error) {
	mode, err := strconv.ParseUint(s, 8, 32)
	if err != nil || mode > 0o777 {
		return 0, fmt.Errorf("%q is not a file's mode: write it as octal digits in quotes, such as \"0770\"", s)
	}
	return fs.FileMode(mode), nil
}
