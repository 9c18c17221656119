package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/policy"
)

// environment is what tests' files find.
func environment(name string) (string, bool) {
	values := map[string]string{"PASSWORD": "pa55", "EMPTY": ""}
	v, ok := values[name]
	return v, ok
}

// head and tail are the two sections that have no default: a file of both is
// the smallest that is valid. head has 2 lines.
const (
	head = "upstream:\n  dsn: postgres://pgseal@db/app\n"
	tail = "policy: {tables: {spans: {org: {column: org_id}, columns: {a: {type: text}}}}}\n"
)

func TestSmallestFile(t *testing.T) {
	c, err := Parse("c.yaml", []byte(head+tail), environment)
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Upstream.DSN, want.Keystore.DSN, want.Auth.DSN = "postgres://pgseal@db/app", "postgres://pgseal@db/app", "postgres://pgseal@db/app"
	if c.Listen != want.Listen || c.TLS != want.TLS || !reflect.DeepEqual(c.Upstream, want.Upstream) || c.Auth != want.Auth ||
		c.Keystore != want.Keystore || !reflect.DeepEqual(c.KMS, want.KMS) || c.Audit != want.Audit || c.Admin != want.Admin || c.Telemetry != want.Telemetry || c.Limits != want.Limits {
		t.Errorf("got %+v\nwant %+v", c, want)
	}
	if c.Policy.Table("public", "spans").Column("a") == nil {
		t.Error("the policy is not there")
	}
}

func TestEveryKindOfValue(t *testing.T) {
	c, err := Parse("c.yaml", []byte(`
listen: {address: ":7000"}
tls:
  mode: require
  cert: cert.pem
  key: key.pem
upstream:
  dsn: |-
    host=db user=pgseal password=${PASSWORD} application_name=$${x}
  connect_timeout: 1h30m
kms: {provider: local, allow: ["local:*"], default_key: {arn: "arn:aws:kms:eu-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab", replicas: ["arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"], role_arn: "arn:aws:iam::111122223333:role/r", external_id: x1}, aws: {fips: true, proxy: "http://u:${PASSWORD}@p:1"}, max_stale: 2h, data_key: {max_seals: 1_000, max_bytes: 64 KiB}}
keystore: {dsn: "postgres://k@db/keys"}
admin: {address: ""}
telemetry: {traces: {sample_ratio: 1, otlp_endpoint: "http://localhost:4318"}, metrics: {prometheus: false}}
limits: {message_bytes: 65536}
auth:
policy:
  tables:
    b.t: {org: {value: '7'}, columns: {"x": {type: text, on_unreadable: null}, y: {type: text, on_unreadable: mask, mask: '${x}'}}}
    a.t: {org: {setting: pgseal.org}, columns: {x: {type: jsonb, on_unreadable: "null"}}}
  access:
    - user: u
      orgs: ["7"]
  orgs_without_key: default_key
`), environment)
	if err != nil {
		t.Fatal(err)
	}
	check := func(ok bool, what string) {
		t.Helper()
		if !ok {
			t.Error(what)
		}
	}
	check(c.Listen.Address == ":7000", "listen.address")
	check(c.Upstream.DSN.Reveal() == "host=db user=pgseal password=pa55 application_name=${x}", "upstream.dsn")
	check(c.Upstream.ConnectTimeout == 90*time.Minute, "connect_timeout")
	check(c.KMS.DataKey.MaxSeals == 1000 && c.KMS.DataKey.MaxBytes == 65536, "data_key")
	check(reflect.DeepEqual(c.KMS.Allow, []string{"local:*"}), "allow")
	check(reflect.DeepEqual(c.KMS.DefaultKey.Key(), kms.Key{ARN: "arn:aws:kms:eu-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab", Replicas: []string{"arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"}, RoleARN: "arn:aws:iam::111122223333:role/r", ExternalID: "x1"}), "default_key")
	check(c.KMS.AWS.FIPS && c.KMS.AWS.Proxy.Reveal() == "http://u:pa55@p:1", "aws")
	check(c.Policy.OrgsWithoutKey == policy.UseDefaultKey, "orgs_without_key")
	check(c.Keystore.DSN.Reveal() == "postgres://k@db/keys", "keystore.dsn")
	check(c.Admin.Address == "", "admin.address")
	check(c.Telemetry.Traces.SampleRatio == 1 && !c.Telemetry.Metrics.Prometheus, "telemetry")
	check(c.Limits.MessageBytes == 65536, "message_bytes")
	check(c.Auth.Mode == "passthrough", "auth: left empty")
	check(len(c.Policy.Tables) == 2 && c.Policy.Tables[0].QualifiedName() == "a.t", "tables")
	check(c.Policy.Tables[1].Columns[0].OnUnreadable == policy.OnUnreadableNull, "on_unreadable: null without quotes")
	check(c.Policy.Tables[0].Columns[0].OnUnreadable == policy.OnUnreadableNull, "on_unreadable: null in quotes")
	check(c.Policy.Tables[1].Columns[1].Mask == "${x}", "a mask is taken as it is")
}

// TestMistakes: each mistake, and the whole error that it gives.
func TestMistakes(t *testing.T) {
	const dsnAdvice = "not a DSN that can be read (it is not shown, since it may hold a password): write postgres://user:password@host:5432/database with special characters percent-encoded, or host=… user=… password=… dbname=…, and see that files it names are there"
	table := func(s string) string { return head + "policy:\n  tables:\n    spans:\n" + s }
	ok := "policy: {tables: {spans: {org: {column: org_id}, columns: {a: {type: text}}}}}\n"
	tests := map[string]struct{ file, want string }{
		"nothing in it": {"", "c.yaml: upstream.dsn: missing: pgseal needs a login of its own to read the catalog and the keystore, such as postgres://pgseal:${PGSEAL_PASSWORD}@127.0.0.1:5432/app\n" +
			"c.yaml: policy.tables: no table is named, so nothing would be sealed: name one"},
		"not YAML":           {"listen: [", "c.yaml:1: not valid YAML: sequence end token ']' not found"},
		"not text":           {"listen: \x00", "c.yaml: not a text file: it has a NUL in it"},
		"two documents":      {head + tail + "---\n" + head, "c.yaml:4: a second document begins here: there can be only one in the file"},
		"a list":             {"- a\n", "c.yaml:1: keys are expected here, found a list"},
		"typo in a section":  {head + tail + "limts: {}\n", "c.yaml:4: limts: unknown key; did you mean limits?"},
		"typo in a key":      {head + tail + "kms:\n  provider: aws\n  cache_tll: 5m\n", "c.yaml:6: kms.cache_tll: unknown key; did you mean cache_ttl?"},
		"unknown key":        {head + tail + "listen:\n  interface: eth0\n", "c.yaml:5: listen.interface: unknown key; known here: address, unix_socket, unix_socket_mode, keepalive"},
		"key twice":          {head + tail + "listen: {address: ':1'}\nlisten: {address: ':2'}\n", `c.yaml:5: not valid YAML: mapping key "listen" already defined at [4:1]`},
		"number for a text":  {head + tail + "listen: {address: 6432}\n", "c.yaml:4: listen.address: text is expected here, found 6432: put it in quotes if it is meant so"},
		"text for a section": {head + tail + "listen: here\n", `c.yaml:4: listen: keys are expected here, found "here"`},
		"text for a number":  {head + tail + "limits:\n  clients: many\n", `c.yaml:5: limits.clients: a whole number is expected here, found "many"`},
		"fraction":           {head + tail + "limits: {clients: 1.5}\n", "c.yaml:4: limits.clients: a whole number is expected here, found 1.5"},
		"huge number":        {head + tail + "limits: {clients: 18446744073709551615}\n", "c.yaml:4: limits.clients: 18446744073709551615 is too large"},
		"text for a bool":    {head + tail + "admin: {console: yes}\n", `c.yaml:4: admin.console: true or false is expected here, found "yes"`},
		"text for a ratio":   {head + tail + "telemetry: {traces: {sample_ratio: half}}\n", `c.yaml:4: telemetry.traces.sample_ratio: a number is expected here, found "half"`},
		"NaN":                {head + tail + "telemetry: {traces: {sample_ratio: .nan}}\n", "c.yaml:4: telemetry.traces.sample_ratio: a number is expected here, found something else"},
		"ratio too large":    {head + tail + "telemetry: {traces: {sample_ratio: 2}}\n", "c.yaml:4: telemetry.traces.sample_ratio: 2 is not between 0 and 1"},
		"no value":           {head + tail + "listen: {address: }\n", "c.yaml:4: listen.address: no value: give one, or take the key out for the default"},
		"bad duration":       {head + tail + "kms:\n  timeout: 5 seconds\n", `c.yaml:5: kms.timeout: "5 seconds" is not a duration: write it as 500ms, 15s, 5m or 1h30m`},
		"duration sans unit": {head + tail + "kms:\n  timeout: 5\n", "c.yaml:5: kms.timeout: 5 is not a duration: write it as 500ms, 15s, 5m or 1h30m"},
		"no duration":        {head + tail + "kms: {timeout: 0s}\n", "c.yaml:4: kms.timeout: 0s is not more than nothing"},
		"negative duration":  {head + tail + "limits: {shutdown_grace: -1s}\n", "c.yaml:4: limits.shutdown_grace: -1s is less than nothing"},
		"bad size":           {head + tail + "limits: {message_bytes: 1GB}\n", `c.yaml:4: limits.message_bytes: "1GB" is not a number of bytes: write it as 65536, 64KiB, 256MiB or 1GiB`},
		"negative size":      {head + tail + "limits: {message_bytes: -1}\n", `c.yaml:4: limits.message_bytes: "-1" is not a number of bytes: write it as 65536, 64KiB, 256MiB or 1GiB`},
		"size of a bool":     {head + tail + "limits: {message_bytes: true}\n", "c.yaml:4: limits.message_bytes: true is not a number of bytes: write it as 65536, 64KiB, 256MiB or 1GiB"},
		"size overflows":     {head + tail + "limits: {message_bytes: 9999999999TiB}\n", `c.yaml:4: limits.message_bytes: "9999999999TiB" is more bytes than can be counted`},
		"size too large":     {head + tail + "limits: {message_bytes: 2GiB}\n", "c.yaml:4: limits.message_bytes: 2GiB is not between 64KiB and 1GiB"},
		"no clients":         {head + tail + "limits: {clients: 0}\n", "c.yaml:4: limits.clients: 0 is less than 1"},
		"no plan cache":      {head + tail + "limits: {plan_cache: 0}\n", "c.yaml:4: limits.plan_cache: 0 is less than 1"},
		"nesting too deep":   {head + tail + "limits: {statement_nesting: 20000}\n", "c.yaml:4: limits.statement_nesting: 20000 is more than 10000, which the parser's stack can bear"},
		"too many seals":     {head + tail + "kms: {data_key: {max_seals: 4294967297}}\n", "c.yaml:4: kms.data_key.max_seals: more than 4294967296 (2^32), the most that AES-GCM with random nonces is safe for"},
		"address sans port":  {head + tail + "listen: {address: localhost}\n", `c.yaml:4: listen.address: "localhost" is not an address: write host:port, such as 127.0.0.1:5432 or [::1]:5432`},
		"port sans number":   {head + tail + "listen: {address: 'localhost:pg'}\n", `c.yaml:4: listen.address: "localhost:pg" is not an address: write host:port, such as 127.0.0.1:5432 or [::1]:5432`},
		"same address twice": {head + tail + "admin: {address: '127.0.0.1:6432'}\n", "c.yaml:4: admin.address: the same as listen.address: give it a port of its own"},
		"several upstreams":  {head + "  address: a:5432,b:5432\n" + tail, `c.yaml:3: upstream.address: "a:5432,b:5432": write several servers as a list, [db1:5432, db2:5432]`},
		"second upstream":    {head + "  address:\n    - a:5432\n    - b:0\n" + tail, `c.yaml:5: upstream.address[1]: "b:0" is not an address: write host:port, such as 127.0.0.1:5432 or [::1]:5432, or a path that begins with /`},
		"no upstream":        {head + "  address: []\n" + tail, "c.yaml:3: upstream.address: an empty list: name at least one server"},
		"upstream TLS":       {head + "  tls: {mode: verify_full}\n" + tail, `c.yaml:3: upstream.tls.mode: "verify_full" is not one of disable, prefer, require, verify-ca, verify-full; did you mean verify-full?`},
		"upstream key alone": {head + "  tls: {mode: require, key: k.pem}\n" + tail, "c.yaml:3: upstream.tls.cert: a certificate needs its key, and a key its certificate: give upstream.tls.cert and upstream.tls.key, or neither"},
		"upstream sans TLS":  {head + "  tls: {ca: ca.pem}\n" + tail, "c.yaml:3: upstream.tls.mode: disable, but certificates are given: say verify-full, or take ca, cert and key out"},
		"upstream role":      {head + "  target_session_attrs: standby\n" + tail, `c.yaml:3: upstream.target_session_attrs: "standby" is not one of any, read-write`},
		"keepalive":          {head + "  keepalive: {count: -1}\n" + tail, "c.yaml:3: upstream.keepalive.count: -1 is less than 0"},
		"auth.mode":          {head + tail + "auth: {mode: scrum}\n", `c.yaml:4: auth.mode: "scrum" is not one of passthrough, scram, cert; did you mean scram?`},
		"cert sans CA":       {head + tail + "auth: {mode: cert}\n", "c.yaml:4: auth.mode: cert needs the authority that clients' certificates are verified by: give tls.client_ca"},
		"cert with a query":  {head + tail + "tls: {mode: require, cert: c, key: k, client_ca: a}\nauth: {mode: cert, query: 'SELECT $1'}\n", "c.yaml:5: auth.query: given, but auth.mode is cert: say scram, or take it out"},
		"auth.query sans $1": {head + tail + "auth: {mode: scram, query: SELECT 1}\n", "c.yaml:4: auth.query: has no $1, which the user's name is put in for"},
		"idle auth.query":    {head + tail + "auth: {query: 'SELECT $1'}\n", "c.yaml:4: auth.query: given, but auth.mode is passthrough: say scram, or take it out"},
		"idle auth.dsn":      {head + tail + "auth: {dsn: 'postgres://a@h/d'}\n", "c.yaml:4: auth.dsn: given, but auth.mode is passthrough: say scram, or take it out"},
		"bad auth.dsn":       {head + tail + "auth: {mode: scram, dsn: 'postgres://u:s3cret/x@h/d'}\n", "c.yaml:4: auth.dsn: " + dsnAdvice},
		"auth.cache_ttl":     {head + tail + "auth: {mode: scram, cache_ttl: -1s}\n", "c.yaml:4: auth.cache_ttl: -1s is less than nothing"},
		"auth.timeout":       {head + tail + "auth: {mode: scram, timeout: 0s}\n", "c.yaml:4: auth.timeout: 0s is not more than nothing"},
		"console":            {head + tail + "admin: {console: true}\n", "c.yaml:4: admin.console: the console is not there yet: say false, and use `pgseal keys`"},
		"socket's mode":      {head + tail + "listen: {unix_socket_mode: '999'}\n", `c.yaml:4: listen.unix_socket_mode: "999" is not a file's mode: write it as octal digits in quotes, such as "0770"`},
		"CA sans TLS":        {head + tail + "tls: {client_ca: ca.pem}\n", "c.yaml:4: tls.client_ca: clients show certificates over TLS only: say allow or require in tls.mode"},
		"clients' CA":        {head + tail + "tls: {mode: require, cert: c, key: k, client_auth: require}\n", "c.yaml:4: tls.client_auth: require needs the authority that clients' certificates are verified by: give tls.client_ca"},
		"clients sans TLS":   {head + tail + "tls: {mode: allow, cert: c, key: k, client_ca: a, client_auth: require}\n", "c.yaml:4: tls.client_auth: require, but clients may come without TLS, and so without a certificate: say require in tls.mode"},
		"TLS sans cert":      {head + tail + "tls: {mode: require}\n", "c.yaml:4: tls.mode: require needs a certificate: give tls.cert and tls.key"},
		"cert sans TLS":      {head + tail + "tls:\n  cert: c.pem\n  key: k.pem\n", "c.yaml:4: tls.mode: disable, but a certificate is given: say allow or require, or take cert and key out"},
		"unknown TLS mode":   {head + tail + "tls: {mode: requier}\n", `c.yaml:4: tls.mode: "requier" is not one of disable, allow, require; did you mean require?`},
		"unknown provider":   {head + tail + "kms: {provider: ibm}\n", `c.yaml:4: kms.provider: "ibm" is not one of aws, gcp, azure, vault, local`},
		"vault's login":      {head + tail + "kms: {vault: {login: ldap, role: r}}\n", `c.yaml:4: kms.vault.login: "ldap" is not one of token, approle, kubernetes`},
		"token and a role":   {head + tail + "kms: {vault: {role: r}}\n", "c.yaml:4: kms.vault.login: token, but a role or a mount to log in with is given: say approle or kubernetes, or take it out"},
		"login sans role":    {head + tail + "kms: {vault: {login: kubernetes}}\n", "c.yaml:4: kms.vault.role: missing: kubernetes needs the role to log in as"},
		"approle sans file":  {head + tail + "kms: {vault: {login: approle, role: r}}\n", "c.yaml:4: kms.vault.file: missing: approle needs a file with the secret id"},
		"vault's address":    {head + tail + "kms: {vault: {address: 'vault:8200'}}\n", "c.yaml:4: kms.vault.address: not a URL: write it as https://host:port"},
		"no provider":        {head + tail + "kms: {provider: []}\n", "c.yaml:4: kms.provider: an empty list: name at least one"},
		"provider twice":     {head + tail + "kms:\n  provider:\n    - aws\n    - aws\n", "c.yaml:7: kms.provider[1]: aws is there twice"},
		"one bad provider":   {head + tail + "kms:\n  provider:\n    - lokal\n    - aws\n", `c.yaml:6: kms.provider[0]: "lokal" is not one of aws, gcp, azure, vault, local; did you mean local?`},
		"local among others": {head + tail + "kms: {provider: [aws, local], local: {file: ''}}\n", "c.yaml:4: kms.local.file: missing: name the file that holds the local keys"},
		"local sans file":    {head + tail + "kms: {provider: local, local: {file: ''}}\n", "c.yaml:4: kms.local.file: missing: name the file that holds the local keys"},
		"no URL":             {head + tail + "kms: {aws: {endpoint: 'localhost:4566'}}\n", "c.yaml:4: kms.aws.endpoint: not a URL: write it as https://host:port"},
		"no OTLP URLs": {head + tail + "telemetry: {metrics: {otlp_endpoint: a}, traces: {otlp_endpoint: b}}\n",
			"c.yaml:4: telemetry.metrics.otlp_endpoint: not a URL: write it as https://host:port\nc.yaml:4: telemetry.traces.otlp_endpoint: not a URL: write it as https://host:port"},
		"no service name": {head + tail + "telemetry: {service_name: ''}\n", "c.yaml:4: telemetry.service_name: empty: give the name that dashboards know this pgseal by"},
		"no STS endpoint": {head + tail + "kms: {aws: {sts_endpoint: sts}}\n", "c.yaml:4: kms.aws.sts_endpoint: not a URL: write it as https://host:port"},
		"FIPS elsewhere": {head + tail + "kms:\n  aws:\n    endpoint: https://kms\n    fips: true\n",
			"c.yaml:7: kms.aws.fips: true, but kms.aws.endpoint is given, which is used as it is: name a FIPS endpoint there, or take one of the two out"},
		"no proxy":      {head + tail + "kms: {aws: {proxy: 'u:s3cret@host:3128'}}\n", "c.yaml:4: kms.aws.proxy: not a URL: write it as https://host:port"},
		"empty pattern": {head + tail + "kms:\n  allow:\n    - local:*\n    - ''\n", "c.yaml:7: kms.allow[1]: an empty pattern matches no key"},
		"default alias": {head + tail + "kms: {allow: ['local:*'], default_key: {arn: 'arn:aws:kms:eu-west-1:111122223333:alias/x'}}\n",
			"c.yaml:4: kms.default_key.arn: key arn:aws:kms:eu-west-1:111122223333:alias/x: an alias may stand for any key: name the key itself, or list the alias and its key among the allowed ones"},
		"replica of another": {head + tail + "kms:\n  default_key:\n    arn: arn:aws:kms:eu-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab\n    replicas: ['arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ac']\n",
			"c.yaml:7: kms.default_key.replicas: replica arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ac: not another Region of the multi-Region key arn:aws:kms:eu-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab: account and key id have to be the same"},
		"pattern, not a list": {head + tail + "kms: {allow: arn}\n", `c.yaml:4: kms.allow: a list is expected here, found "arn"`},
		"default key missing": {head + "policy:\n  tables: {spans: {org: {column: o}, columns: {a: {type: text}}}}\n  orgs_without_key: default_key\n",
			"c.yaml:5: policy.orgs_without_key: default_key, but there is none: give kms.default_key.arn, or say refuse"},
		"role of no default key": {head + tail + "kms:\n  default_key:\n    role_arn: arn:aws:iam::111122223333:role/x\n", "c.yaml:5: kms.default_key.arn: missing: name the key, or take kms.default_key out"},
		"no role": {head + tail + "kms:\n  default_key:\n    arn: k\n    role_arn: pgseal\n",
			`c.yaml:7: kms.default_key.role_arn: "pgseal" is not the ARN of a role: it looks like arn:aws:iam::111122223333:role/pgseal`},
		"no key's ARN": {head + tail + "kms:\n  default_key:\n    arn: arn:aws:kms:eu-west-1:1:key/x\n",
			`c.yaml:6: kms.default_key.arn: "arn:aws:kms:eu-west-1:1:key/x" is not the ARN of a KMS key: the fifth part, "1", is no account: that has 12 digits`},
		"external id of no role": {head + tail + "kms:\n  default_key:\n    arn: k\n    external_id: x\n",
			"c.yaml:7: kms.default_key.external_id: given without kms.default_key.role_arn, the role that asks for it"},
		"refreshes too soon": {head + tail + "kms: {cache_ttl: 10s}\n", "c.yaml:4: kms.refresh_ahead: 30s is not less than kms.cache_ttl, 10s: keys would be fetched all the time"},
		"stale too short":    {head + tail + "kms: {max_stale: 1m}\n", "c.yaml:4: kms.max_stale: 1m0s is less than kms.cache_ttl, 5m0s: both count from when a key was opened"},
		"variable unset":     {"upstream:\n  dsn: postgres://u:${NOPE}@h/d\n" + ok, "c.yaml:2: upstream.dsn: the environment variable NOPE is not set: set it where pgseal is started"},
		"variable empty":     {"upstream:\n  dsn: postgres://u:${EMPTY}@h/d\n" + ok, "c.yaml:2: upstream.dsn: the environment variable EMPTY is empty: give it the value where pgseal is started"},
		"variable not ended": {"upstream:\n  dsn: postgres://u:s3cret${x@h/d\n" + ok, "c.yaml:2: upstream.dsn: a ${ is not followed by an environment variable's name and a }; write $${ for the characters themselves"},
		"variable elsewhere": {head + tail + "listen: {address: '${HOST}:6432'}\n", "c.yaml:4: listen.address: environment variables are only put into secrets (the DSNs, kms.aws.proxy): write the value out"},
		"DSN is a number":    {"upstream: {dsn: 5432}\n" + ok, "c.yaml:1: upstream.dsn: text is expected here, found 5432"},
		"bad DSN":            {"upstream: {dsn: 'postgres://u:s3cret/x@h/d'}\n" + ok, "c.yaml:1: upstream.dsn: " + dsnAdvice},
		"bad keystore DSN":   {head + tail + "keystore:\n  dsn: \"host=x port=s3cret\"\n", "c.yaml:5: keystore.dsn: " + dsnAdvice},
		"anchor":             {head + tail + "listen: &l\n  address: ':1'\n", "c.yaml:4: listen: anchors, aliases, merge keys and tags are not supported: write the value out"},
		"no policy":          {head, "c.yaml: policy.tables: no table is named, so nothing would be sealed: name one"},
		"tables are a list": {head + "policy:\n  tables:\n    - spans\n",
			"c.yaml:5: policy.tables: names with a colon behind each are expected here, found a list"},
		"unknown type": {table("      org: {column: o}\n      columns:\n        a: {type: text}\n        b:\n          type: jsnob\n"),
			`c.yaml:10: policy.tables.spans.columns.b.type: type "jsnob": not one that pgseal can seal; it knows ` + policy.KnownTypes()},
		"both org kinds": {table("      org:\n        column: o\n        setting: pgseal.org\n      columns: {a: {type: text}}\n"),
			"c.yaml:6: policy.tables.spans.org: only one of column, setting and value can be given"},
		"searchable": {table("      org: {column: o}\n      columns:\n        a:\n          type: text\n          searchable: true\n"),
			"c.yaml:10: policy.tables.spans.columns.a.searchable: true is not possible: the database has only sealed bytes, which can't be searched, sorted or compared; take the key out or say false"},
		"typo in a column": {table("      org: {column: o}\n      columns:\n        a: {type: text, on_unredable: mask}\n"),
			"c.yaml:8: policy.tables.spans.columns.a.on_unredable: unknown key; did you mean on_unreadable?"},
		"column sans anything": {table("      org: {column: o}\n      columns:\n        a:\n"),
			"c.yaml:8: policy.tables.spans.columns.a.type: missing: give the type that the application sees, such as text or jsonb"},
		"mask null": {table("      org: {column: o}\n      columns:\n        a: {type: jsonb, on_unreadable: mask, mask: null}\n"),
			"c.yaml:8: policy.tables.spans.columns.a.mask: no value: give one, or take the key out for the default"},
		"access left empty": {head + "policy:\n  tables: {spans: {org: {column: o}, columns: {a: {type: text}}}}\n  access:\n", "c.yaml:5: policy.access: a list is expected here, found nothing"},
		"access of nobody":  {head + "policy:\n  tables: {spans: {org: {column: o}, columns: {a: {type: text}}}}\n  access: []\n", "c.yaml:5: policy.access: empty, which could mean all or none: take the key out to let every user open every org"},
		"access sans orgs":  {head + "policy:\n  tables: {spans: {org: {column: o}, columns: {a: {type: text}}}}\n  access:\n    - {user: u}\n", `c.yaml:6: policy.access[0].orgs: missing: name the orgs that the user may open, or "*" for all of them`},
		"org is a number":   {head + "policy:\n  tables: {spans: {org: {value: 7}, columns: {a: {type: text}}}}\n", "c.yaml:4: policy.tables.spans.org.value: text is expected here, found 7: put it in quotes if it is meant so"},
		"several, in order": {"limits: {clients: 0}\nlisten: {adress: x}\n" + head + tail + "kms:\n  timeout: x\n",
			"c.yaml:1: limits.clients: 0 is less than 1\n" +
				"c.yaml:2: listen.adress: unknown key; did you mean address?\n" +
				`c.yaml:7: kms.timeout: "x" is not a duration: write it as 500ms, 15s, 5m or 1h30m`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := Parse("c.yaml", []byte(test.file), environment)
			if c != nil || err == nil {
				t.Fatalf("got a configuration, error %v", err)
			}
			if err.Error() != test.want {
				t.Errorf("got:\n%s\nwant:\n%s", err, test.want)
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Error("the error shows a secret")
			}
			var problems Problems
			if !errors.As(err, &problems) {
				t.Errorf("the error is no Problems but %T", err)
			}
		})
	}
}

func TestLoadFiles(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "c.yaml")
	if _, err := Load(file); err == nil || err.Error() != file+": there is no such file: write one (config.example.yaml shows every key), or name another with --config or PGSEAL_CONFIG" {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := Load(folder); err == nil || err.Error() != folder+": cannot be read: is a directory" {
		t.Errorf("a folder: %v", err)
	}
	text := head + tail + "tls: {mode: allow, cert: c.pem, key: /etc/k.pem}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	if c.TLS.Cert != filepath.Join(folder, "c.pem") || c.TLS.Key != "/etc/k.pem" || c.KMS.Local.File != filepath.Join(folder, "local-keys.json") {
		t.Errorf("paths: %s, %s, %s", c.TLS.Cert, c.TLS.Key, c.KMS.Local.File)
	}
}

var configSeeds = []string{
	head + tail, "", "a: [", "policy: {access: []}", "- x", "? a\n: b", "listen: !!str x", "kms: &a {aws: *a}",
	"policy:\n  tables:\n    <<: {x: 1}\n", "upstream: {dsn: '${PASSWORD}${'}", "limits: {clients: 0x7f, message_bytes: 1e9}",
}

// FuzzParse: no text makes Parse panic, and what it takes has a policy.
func FuzzParse(f *testing.F) {
	if len(configSeeds) < 5 {
		f.Fatal("too few seeds")
	}
	for _, s := range configSeeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse("c.yaml", []byte(text), environment)
		if (c == nil) == (err == nil) {
			t.Fatalf("configuration %v, error %v", c, err)
		}
		if c != nil && (c.Policy == nil || len(c.Policy.Tables) == 0 || c.Keystore.DSN == "") {
			t.Fatal("taken without a policy or a keystore")
		}
	})
}

func TestSizeString(t *testing.T) {
	for size, want := range map[Size]string{0: "0", 1: "1", 1000: "1000", 1024: "1KiB", 1536: "1536", 256 << 20: "256MiB", 1 << 40: "1TiB"} {
		if got := size.String(); got != want {
			t.Errorf("%d: %s, want %s", int64(size), got, want)
		}
		if back, err := parseSize(size.String()); back != size || err != nil {
			t.Errorf("%s reads back as %d, %v", size, int64(back), err)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"address", "tls", "dsn"}
	for word, want := range map[string]string{"adress": "address", "adderss": "address", "ADDRESS": "address", "tsl": "tls", "x": "", "connect": ""} {
		if got := nearest(word, known); got != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
}
