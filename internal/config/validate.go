package config

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/crypto/kms/aws"
	"github.com/pgseal/pgseal/internal/authquery"
	"github.com/pgseal/pgseal/internal/secret"
	"github.com/pgseal/pgseal/internal/upstream"
	"github.com/pgseal/pgseal/policy"
)

// validate tells by add what is wrong with values that could be decoded. What
// pgseal does not have yet is refused here, by name.
func validate(c *Config, add func(key, message string)) {
	v := validator{add}

	v.address("listen.address", c.Listen.Address)
	if _, err := ParseFileMode(c.Listen.UnixSocketMode); err != nil {
		add("listen.unix_socket_mode", err.Error())
	}
	v.keepalive("listen.keepalive", c.Listen.Keepalive)
	v.oneOf("tls.mode", c.TLS.Mode, "disable", "allow", "require")
	certified := c.TLS.Cert != "" && c.TLS.Key != ""
	switch {
	case c.TLS.Mode == "disable" && (c.TLS.Cert != "" || c.TLS.Key != ""):
		add("tls.mode", "disable, but a certificate is given: say allow or require, or take cert and key out")
	case (c.TLS.Mode == "allow" || c.TLS.Mode == "require") && !certified:
		add("tls.mode", c.TLS.Mode+" needs a certificate: give tls.cert and tls.key")
	}
	v.oneOf("tls.client_auth", c.TLS.ClientAuth, "optional", "require")
	switch {
	case c.TLS.ClientCA != "" && c.TLS.Mode == "disable":
		add("tls.client_ca", "clients show certificates over TLS only: say allow or require in tls.mode")
	case c.TLS.ClientAuth == "require" && c.TLS.ClientCA == "":
		add("tls.client_auth", "require needs the authority that clients' certificates are verified by: give tls.client_ca")
	case c.TLS.ClientAuth == "require" && c.TLS.Mode != "require":
		add("tls.client_auth", "require, but clients may come without TLS, and so without a certificate: say require in tls.mode")
	}

	v.upstream(c.Upstream)
	if c.Upstream.DSN == "" {
		add("upstream.dsn", "missing: pgseal needs a login of its own to read the catalog and the keystore, such as postgres://pgseal:${PGSEAL_PASSWORD}@127.0.0.1:5432/app")
	} else {
		v.dsn("upstream.dsn", c.Upstream.DSN)
	}
	v.auth(c.Auth)
	if c.Auth.Mode == "cert" && c.TLS.ClientCA == "" {
		add("auth.mode", "cert needs the authority that clients' certificates are verified by: give tls.client_ca")
	}
	if c.Keystore.DSN != "" {
		v.dsn("keystore.dsn", c.Keystore.DSN)
	}

	v.kms(c.KMS)
	if c.PolicyFile.OrgsWithoutKey == policy.UseDefaultKey.String() && c.KMS.DefaultKey.ARN == "" {
		add("policy.orgs_without_key", "default_key, but there is none: give kms.default_key.arn, or say refuse")
	}

	if c.Admin.Address != "" {
		v.address("admin.address", c.Admin.Address)
		if c.Admin.Address == c.Listen.Address && !strings.HasSuffix(c.Admin.Address, ":0") { // any free port
			add("admin.address", "the same as listen.address: give it a port of its own")
		}
	}
	if c.Admin.Console {
		add("admin.console", "the console is not there yet: say false, and use `pgseal keys`")
	}
	v.telemetry(c.Telemetry)

	v.atLeast("limits.clients", int64(c.Limits.Clients), 1)
	v.atLeast("limits.statement_nesting", int64(c.Limits.StatementNesting), 1)
	if c.Limits.StatementNesting > maxNesting {
		add("limits.statement_nesting", fmt.Sprintf("%d is more than %d, which the parser's stack can bear", c.Limits.StatementNesting, maxNesting))
	}
	v.atLeast("limits.plan_cache", int64(c.Limits.PlanCache), 1)
	v.positive("limits.key_timeout", c.Limits.KeyTimeout)
	if n := c.Limits.MessageBytes; n < 64<<10 || n > maxMessage {
		add("limits.message_bytes", fmt.Sprintf("%s is not between 64KiB and %s", n, Size(maxMessage)))
	}
	v.positive("limits.startup_timeout", c.Limits.StartupTimeout)
	v.notNegative("limits.idle_timeout", c.Limits.IdleTimeout)
	v.notNegative("limits.idle_in_transaction_timeout", c.Limits.IdleInTx)
	v.notNegative("limits.shutdown_grace", c.Limits.ShutdownGrace)
}

const (
	// maxNesting keeps well below the 24,000 levels that overflow the parser's
	// C stack of 8 MiB.
	maxNesting = 10_000
	// maxMessage is Postgres's own bound of a message (PQ_LARGE_MESSAGE_LIMIT in
	// libpq.h), but for the last bytes.
	maxMessage = 1 << 30
)

type validator struct {
	add func(key, message string)
}

func (v validator) upstream(u Upstream) {
	if len(u.Address) == 0 {
		v.add("upstream.address", "an empty list: name at least one server")
	}
	for i, address := range u.Address {
		key := "upstream.address"
		if len(u.Address) > 1 {
			key = fmt.Sprintf("upstream.address.[%d]", i)
		}
		switch {
		case upstream.CheckAddress(address) == nil:
		case strings.Contains(address, ","):
			v.add(key, fmt.Sprintf("%q: write several servers as a list, [db1:5432, db2:5432]", address))
		default:
			v.add(key, fmt.Sprintf("%q is not an address: write host:port, such as 127.0.0.1:5432 or [::1]:5432, or a path that begins with /", address))
		}
	}
	v.oneOf("upstream.target_session_attrs", u.TargetSessionAttrs, "any", "read-write")
	v.positive("upstream.connect_timeout", u.ConnectTimeout)
	v.positive("upstream.catalog_interval", u.CatalogInterval)
	v.oneOf("upstream.tls.mode", u.TLS.Mode, "disable", "prefer", "require", "verify-ca", "verify-full")
	switch {
	case u.TLS.Mode == "disable" && (u.TLS.CA != "" || u.TLS.Cert != "" || u.TLS.Key != ""):
		v.add("upstream.tls.mode", "disable, but certificates are given: say verify-full, or take ca, cert and key out")
	case (u.TLS.Cert == "") != (u.TLS.Key == ""):
		v.add("upstream.tls.cert", "a certificate needs its key, and a key its certificate: give upstream.tls.cert and upstream.tls.key, or neither")
	}
	v.keepalive("upstream.keepalive", u.Keepalive)
}

func (v validator) auth(a Auth) {
	v.oneOf("auth.mode", a.Mode, "passthrough", "scram", "cert")
	if a.Mode == "passthrough" || a.Mode == "cert" {
		if a.DSN != "" {
			v.add("auth.dsn", "given, but auth.mode is "+a.Mode+": say scram, or take it out")
		}
		if a.Query != authquery.DefaultQuery {
			v.add("auth.query", "given, but auth.mode is "+a.Mode+": say scram, or take it out")
		}
	}
	if !strings.Contains(a.Query, "$1") {
		v.add("auth.query", "has no $1, which the user's name is put in for")
	}
	if a.DSN != "" {
		v.dsn("auth.dsn", a.DSN)
	}
	v.notNegative("auth.cache_ttl", a.CacheTTL)
	v.positive("auth.timeout", a.Timeout)
}

func (v validator) keepalive(key string, k Keepalive) {
	v.notNegative(key+".idle", k.Idle)
	v.notNegative(key+".interval", k.Interval)
	v.atLeast(key+".count", int64(k.Count), 0)
	v.notNegative(key+".user_timeout", k.UserTimeout)
}

func (v validator) kms(k KMS) {
	v.providers(k.Provider)
	if k.AWS.Endpoint != "" {
		v.url("kms.aws.endpoint", k.AWS.Endpoint)
	}
	if k.AWS.STSEndpoint != "" {
		v.url("kms.aws.sts_endpoint", k.AWS.STSEndpoint)
	}
	if k.AWS.FIPS && k.AWS.Endpoint != "" {
		v.add("kms.aws.fips", "true, but kms.aws.endpoint is given, which is used as it is: name a FIPS endpoint there, or take one of the two out")
	}
	if k.AWS.Proxy != "" {
		v.url("kms.aws.proxy", k.AWS.Proxy.Reveal())
	}
	v.vault(k.Vault)
	patterns := k.Allow
	for i, pattern := range k.Allow {
		if _, err := kms.Allow(nil, []string{pattern}); err != nil {
			v.add(fmt.Sprintf("kms.allow.[%d]", i), err.Error())
			patterns = nil
		}
	}
	v.defaultKey(k.DefaultKey, patterns)
	if k.Has("local") && k.Local.File == "" {
		v.add("kms.local.file", "missing: name the file that holds the local keys")
	}
	v.positive("kms.timeout", k.Timeout)
	v.positive("kms.health_interval", k.HealthInterval)
	v.positive("kms.cache_ttl", k.CacheTTL)
	v.notNegative("kms.refresh_ahead", k.RefreshAhead)
	if k.RefreshAhead >= k.CacheTTL && k.CacheTTL > 0 {
		v.add("kms.refresh_ahead", fmt.Sprintf("%s is not less than kms.cache_ttl, %s: keys would be fetched all the time", k.RefreshAhead, k.CacheTTL))
	}
	if k.MaxStale < k.CacheTTL {
		v.add("kms.max_stale", fmt.Sprintf("%s is less than kms.cache_ttl, %s: both count from when a key was opened", k.MaxStale, k.CacheTTL))
	}
	v.atLeast("kms.cache_keys", int64(k.CacheKeys), 1)
	v.positive("kms.data_key.max_age", k.DataKey.MaxAge)
	v.atLeast("kms.data_key.max_seals", k.DataKey.MaxSeals, 1)
	if k.DataKey.MaxSeals > 1<<32 {
		v.add("kms.data_key.max_seals", "more than 4294967296 (2^32), the most that AES-GCM with random nonces is safe for")
	}
	v.atLeast("kms.data_key.max_bytes", int64(k.DataKey.MaxBytes), 1)
}

func (v validator) providers(list List) {
	if len(list) == 0 {
		v.add("kms.provider", "an empty list: name at least one")
	}
	for i, name := range list {
		key := "kms.provider"
		if len(list) > 1 {
			key = fmt.Sprintf("kms.provider.[%d]", i)
		}
		v.oneOf(key, name, "aws", "gcp", "azure", "vault", "local")
		if slices.Contains(list[:i], name) {
			v.add(key, name+" is there twice")
		}
	}
}

func (v validator) vault(k Vault) {
	if k.Address != "" {
		v.url("kms.vault.address", k.Address)
	}
	v.oneOf("kms.vault.login", k.Login, "token", "approle", "kubernetes")
	switch {
	case k.Login == "token" && (k.Role != "" || k.Mount != ""):
		v.add("kms.vault.login", "token, but a role or a mount to log in with is given: say approle or kubernetes, or take it out")
	case k.Login != "token" && k.Role == "":
		v.add("kms.vault.role", "missing: "+k.Login+" needs the role to log in as")
	case k.Login == "approle" && k.File == "":
		v.add("kms.vault.file", "missing: approle needs a file with the secret id")
	}
}

// defaultKey looks at the default key; allowed are the patterns of kms.allow, if
// they are good.
func (v validator) defaultKey(d DefaultKey, allowed []string) {
	if _, err := kms.Allow(nil, allowed, d.ARNs()...); err != nil {
		v.add("kms.default_key.arn", err.Error())
	}
	if err := d.Key().CheckReplicas(); err != nil && d.ARN != "" {
		v.add("kms.default_key.replicas", err.Error())
	}
	if d.ARN == "" && (len(d.Replicas) > 0 || d.RoleARN != "" || d.ExternalID != "") {
		v.add("kms.default_key.arn", "missing: name the key, or take kms.default_key out")
	}
	switch {
	case d.RoleARN != "":
		if err := aws.CheckRole(d.RoleARN, d.ExternalID); err != nil {
			v.add("kms.default_key.role_arn", err.Error())
		}
	case d.ExternalID != "":
		v.add("kms.default_key.external_id", "given without kms.default_key.role_arn, the role that asks for it")
	}
	if strings.HasPrefix(d.ARN, "arn:") {
		if _, err := aws.ParseARN(d.ARN); err != nil {
			v.add("kms.default_key.arn", err.Error())
		}
	}
}

func (v validator) telemetry(t Telemetry) {
	if t.ServiceName == "" {
		v.add("telemetry.service_name", "empty: give the name that dashboards know this pgseal by")
	}
	v.oneOf("telemetry.log.level", t.Log.Level, "debug", "info", "warn", "error")
	v.oneOf("telemetry.log.format", t.Log.Format, "text", "json")
	if t.Metrics.OTLPEndpoint != "" {
		v.url("telemetry.metrics.otlp_endpoint", t.Metrics.OTLPEndpoint)
	}
	v.positive("telemetry.metrics.interval", t.Metrics.Interval)
	if t.Traces.OTLPEndpoint != "" {
		v.url("telemetry.traces.otlp_endpoint", t.Traces.OTLPEndpoint)
	}
	if r := t.Traces.SampleRatio; !(r >= 0 && r <= 1) { // so that NaN is refused too
		v.add("telemetry.traces.sample_ratio", fmt.Sprintf("%v is not between 0 and 1", r))
	}
}

func (v validator) oneOf(key, value string, words ...string) {
	if slices.Contains(words, value) {
		return
	}
	message := fmt.Sprintf("%q is not one of %s", value, strings.Join(words, ", "))
	if near := nearest(value, words); near != "" {
		message += "; did you mean " + near + "?"
	}
	v.add(key, message)
}

// address holds value to host:port, with a host that may be empty (all
// interfaces) and a port that is a number.
func (v validator) address(key, value string) {
	_, port, err := net.SplitHostPort(value)
	if _, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil {
		v.add(key, fmt.Sprintf("%q is not an address: write host:port, such as 127.0.0.1:5432 or [::1]:5432", value))
	}
}

func (v validator) url(key, value string) {
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		v.add(key, "not a URL: write it as https://host:port") // not shown: URLs may hold passwords
	}
}

// dsn tells that a DSN can't be read, but not why: pgx's words may quote a
// password that a stray character has put in the wrong place.
func (v validator) dsn(key string, dsn secret.Text) {
	if _, err := pgconn.ParseConfig(dsn.Reveal()); err != nil {
		v.add(key, "not a DSN that can be read (it is not shown, since it may hold a password): write postgres://user:password@host:5432/database with special characters percent-encoded, or host=… user=… password=… dbname=…, and see that files it names are there")
	}
}

func (v validator) positive(key string, d time.Duration) {
	if d <= 0 {
		v.add(key, fmt.Sprintf("%s is not more than nothing", d))
	}
}

func (v validator) notNegative(key string, d time.Duration) {
	if d < 0 {
		v.add(key, fmt.Sprintf("%s is less than nothing", d))
	}
}

func (v validator) atLeast(key string, n, least int64) {
	if n < least {
		v.add(key, fmt.Sprintf("%d is less than %d", n, least))
	}
}
