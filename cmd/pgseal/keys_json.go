package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgseal/pgseal/crypto/keystore"
)

// keyJSON is an org key as --json prints it.
type keyJSON struct {
	Org         string           `json:"org"`
	Name        string           `json:"name"`
	Origin      string           `json:"origin"` // own or default
	State       string           `json:"state"`  // enabled, disabled or destroyed
	ARN         string           `json:"arn"`
	KMS         *kmsJSON         `json:"kms,omitempty"` // keys show: what KMS says now
	Region      string           `json:"region"`
	Replicas    []replicaJSON    `json:"replicas"`
	RoleARN     string           `json:"role_arn"`
	ExternalID  string           `json:"external_id"`
	Description string           `json:"description"`
	DataKeys    dataKeysJSON     `json:"data_keys"`
	Replacement *replacementJSON `json:"replacement,omitempty"` // while one is under way
	Created     time.Time        `json:"created_at"`
	Updated     time.Time        `json:"updated_at"`
	Changes     []changeJSON     `json:"changes,omitempty"` // keys show: the latest, newest first
}

type replicaJSON struct {
	ARN string   `json:"arn"`
	KMS *kmsJSON `json:"kms,omitempty"`
}

type dataKeysJSON struct {
	Live      int `json:"live"`
	Destroyed int `json:"destroyed"`
}

// replacementJSON is a change of keys. Wrapped is how many of the live data keys
// have a wrap under the new key.
type replacementJSON struct {
	PreviousARN string    `json:"previous_arn"`
	Since       time.Time `json:"since"`
	Wrapped     *int      `json:"wrapped"` // null: KMS does not tell what the alias stands for
	KMS         *kmsJSON  `json:"previous_kms,omitempty"`
}

type changeJSON struct {
	At      time.Time `json:"at"`
	Action  string    `json:"action"`
	Actor   string    `json:"actor"`
	Process string    `json:"process"`
}

// kmsJSON is what KMS says of a key, or of one Region of it.
type kmsJSON struct {
	State    string        `json:"state"`
	Error    string        `json:"error,omitempty"`
	ARN      string        `json:"arn,omitempty"` // of the key itself, where the org's is an alias
	Material *materialJSON `json:"material,omitempty"`
}

// materialJSON is about the key's own material, which KMS may change under the
// same ARN.
type materialJSON struct {
	ID           string     `json:"id"`
	Automatic    bool       `json:"automatic_rotation"`
	LastRotation *time.Time `json:"last_rotation,omitempty"`
	NextRotation *time.Time `json:"next_rotation,omitempty"`
}

func toJSON(k keystore.OrgKey, n keystore.Counts) keyJSON {
	j := keyJSON{
		Org: k.Org, Name: k.Name, Origin: string(k.Origin), State: string(k.State), ARN: k.ARN, Region: k.Region, Replicas: []replicaJSON{},
		RoleARN: k.RoleARN, ExternalID: k.ExternalID, Description: k.Description,
		DataKeys: dataKeysJSON{n.Live, n.Destroyed}, Created: k.Created, Updated: k.Updated,
	}
	for _, arn := range k.Replicas {
		j.Replicas = append(j.Replicas, replicaJSON{ARN: arn})
	}
	if k.Previous != nil {
		j.Replacement = &replacementJSON{PreviousARN: k.Previous.ARN, Since: k.Replacing}
	}
	return j
}

// jsonFlag gives a command the flag --json.
func jsonFlag(cmd *cobra.Command, asJSON *bool) {
	cmd.Flags().BoolVar(asJSON, "json", false, "print JSON")
}

// printChanged prints, where JSON is asked for, an org's key as the keystore has it
// after a command has changed it.
func (a *app) printChanged(ctx context.Context, store *keystore.Store, org string, asJSON bool) error {
	if !asJSON {
		return nil
	}
	key, err := store.OrgKey(ctx, org)
	if err != nil {
		return err
	}
	counts, err := store.Counts(ctx, org, nil)
	if err != nil {
		return err
	}
	return a.printJSON(toJSON(key, counts))
}

// known gives nil for no time.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
