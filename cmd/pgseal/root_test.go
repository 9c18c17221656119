package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestWrongCommandLines(t *testing.T) {
	t.Setenv("PGSEAL_CONFIG", "/nowhere/config.yaml")
	const see = "pgseal: see pgseal --help, or --help behind a command\n"
	for line, want := range map[string]string{
		"chekc":            "pgseal: unknown command \"chekc\" for \"pgseal\"\n" + see,
		"check --nope":     "pgseal: unknown flag: --nope\n" + see,
		"check more":       "pgseal: unknown command \"more\" for \"pgseal check\"\n" + see,
		"keys ad":          "pgseal: unknown command \"ad\" for \"pgseal keys\"\n" + see,
		"keys show":        "pgseal: required flag(s) \"org\" not set\n" + see,
		"policy --config=": "pgseal: : there is no such file: write one (config.example.yaml shows every key), or name another with --config or PGSEAL_CONFIG\n",
		"policy":           "pgseal: /nowhere/config.yaml: there is no such file: write one (config.example.yaml shows every key), or name another with --config or PGSEAL_CONFIG\n",
	} {
		t.Run(line, func(t *testing.T) {
			pgseal(t, strings.Fields(line)...).want(t, exitUsage, "", want)
		})
	}
}

// TestAWrongFileFailsEveryCommandAlike: what is wrong, where, exit code 2, and
// no secret.
func TestAWrongFileFailsEveryCommandAlike(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	text := "upstream:\n  dsn: postgres://u:s3cret@h/d\n  adress: h:5432\nkms: {timeout: soon}\n" + policyText
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	want := "pgseal: " + file + ":3: upstream.adress: unknown key; did you mean address?\n" +
		"pgseal: " + file + ":4: kms.timeout: \"soon\" is not a duration: write it as 500ms, 15s, 5m or 1h30m\n"
	for _, line := range []string{"serve", "init", "policy", "keys list", "keys show --org a", "keys add --org a --arn b", "keys disable --org a", "keys enable --org a"} {
		t.Run(line, func(t *testing.T) {
			pgseal(t, append(strings.Fields(line), "-c", file)...).want(t, exitUsage, "", want)
		})
	}
}

func TestVersion(t *testing.T) {
	pgseal(t, "version").has(t, exitOK, "pgseal ", "go1.", "FIPS 140-3 mode off")
}

// TestHelpTeaches: each command says what it does, and shows how.
func TestHelpTeaches(t *testing.T) {
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.Name() == "help" || cmd.Name() == "completion" {
			return
		}
		if cmd.Short == "" {
			t.Errorf("%s has no short help", cmd.CommandPath())
		}
		if cmd.HasParent() && !cmd.HasSubCommands() && cmd.Name() != "version" && cmd.Example == "" {
			t.Errorf("%s has no example", cmd.CommandPath())
		}
		for _, line := range strings.Split(cmd.Long, "\n") {
			if len([]rune(line)) > 80 {
				t.Errorf("%s: %q is too long for a terminal", cmd.CommandPath(), line)
			}
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(newRoot(&app{}))
	pgseal(t, "--help").has(t, exitOK, "The first steps", "pgseal keys add")
	pgseal(t).has(t, exitOK, "The first steps")
	pgseal(t, "keys").has(t, exitOK, "Available Commands")
	pgseal(t, "keys", "add", "--help").has(t, exitOK, "arn:aws:kms:", "--print-policy")
}

func TestPolicyTable(t *testing.T) {
	file := writeConfig(t, "postgres://u@127.0.0.1:5432/d", `
policy:
  tables:
    public.spans:
      org: {column: org_id}
      columns:
        attributes: {type: jsonb}
        body: {type: varchar(20), on_unreadable: mask, mask: "[sealed]"}
    audit."Log":
      org: {setting: pgseal.org}
      columns: {note: {type: text, on_unreadable: null}}
`)
	pgseal(t, "policy", "-c", file).want(t, exitOK, ``+
		"COLUMN                   TYPE                   ORG FROM            SEARCHABLE  ON UNREADABLE\n"+
		"audit.Log.note           text                   setting pgseal.org  no          null\n"+
		"public.spans.attributes  jsonb                  column org_id       no          error\n"+
		"public.spans.body        character varying(20)  column org_id       no          mask [sealed]\n"+
		"\nEvery database user may open every org.\n", "")

	file = writeConfig(t, "postgres://u@127.0.0.1:5432/d", "kms: {provider: local, default_key: {arn: 'local:default'}}\n"+policyText+`
  orgs_without_key: default_key
  access:
    - {user: reader, orgs: [acme, globex]}
    - {user: "*", orgs: ["*"]}
  raw: {users: [dumper, other]}
`)
	pgseal(t, "policy", "-c", file).has(t, exitOK, "\nDATABASE USER  MAY OPEN\nreader         acme, globex\nevery user     every org\n"+
		"\nOrgs that have no key of their own are sealed under the default key (kms.default_key).\n"+
		"\nMay read and write sealed values as they are stored (pgseal.raw): dumper, other.\n")
}
