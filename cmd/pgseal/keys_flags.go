package main

import (
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/spf13/cobra"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/crypto/kms/aws"
	"github.com/pgseal/pgseal/crypto/kms/local"
	"github.com/pgseal/pgseal/internal/config"
	"github.com/pgseal/pgseal/policy"
)

// describeFlags gives a command the flags that say what people read of a key.
func describeFlags(cmd *cobra.Command, k *keystore.OrgKey) {
	f := cmd.Flags()
	f.StringVar(&k.Name, "name", "", "a `name` for people")
	f.StringVar(&k.Description, "description", "", "a `description` for people")
}

// accessFlags gives a command the flags that say how pgseal gets at a key.
func accessFlags(cmd *cobra.Command, k *keystore.OrgKey) {
	f := cmd.Flags()
	f.StringArrayVar(&k.Replicas, "replica", nil, "the `ARN` of the same multi-Region key in another Region, asked when the key's own does not answer; may be given several times")
	f.StringVar(&k.RoleARN, "role-arn", "", "the `ARN` of a role that pgseal assumes to use the key")
	f.StringVar(&k.ExternalID, "external-id", "", "the external `id` that the role's owner has agreed with you")
}

// keyFlags gives a command the flags of a key that is new to pgseal.
func keyFlags(cmd *cobra.Command, k *keystore.OrgKey) {
	requireOrg(cmd, &k.Org)
	f := cmd.Flags()
	f.StringVar(&k.ARN, "arn", "", "the key's `ARN` in KMS, or its alias's")
	f.StringVar(&k.Region, "region", "", "the key's `region`; the ARN's unless given")
	accessFlags(cmd, k)
	describeFlags(cmd, k)
}

// settle holds what the flags say of a key to the forms that there are, and fills in
// what follows from it. Where the only provider is a key file, a key is made for
// want of an ARN.
func settle(c config.KMS, k *keystore.OrgKey) error {
	if err := checkOrg(k.Org); err != nil {
		return err
	}
	if k.ARN == "" && c.Provider.String() == "local" {
		if len(k.Replicas) > 0 || k.RoleARN != "" || k.ExternalID != "" {
			return errors.New("--replica, --role-arn and --external-id are for keys of AWS KMS, and kms.provider is local")
		}
		made, err := local.AddKey(c.Local.File, k.Org, k.Description)
		if err != nil {
			return fmt.Errorf("kms.local.file: %w", err)
		}
		k.ARN = made
		return nil
	}
	if err := checkKeyName(c, k.ARN); err != nil {
		return fmt.Errorf("--arn: %w", err)
	}
	if parsed, err := arn.Parse(k.ARN); err == nil { // else of another provider than AWS
		if k.Region != "" && k.Region != parsed.Region {
			return fmt.Errorf("--region: %s is not the region of the ARN, %s: leave the flag out", k.Region, parsed.Region)
		}
		k.Region = parsed.Region
	}
	return checkWay(k.Key)
}

func checkOrg(org string) error {
	if err := policy.CheckOrg(org); err != nil {
		return fmt.Errorf("--org: %w", err)
	}
	return nil
}

// checkWay holds the ways to a key to their forms: its replicas, and the role that
// pgseal assumes, with its external id.
func checkWay(k kms.Key) error {
	if err := k.CheckReplicas(); err != nil {
		return fmt.Errorf("--replica: %w", err)
	}
	switch {
	case k.RoleARN == "" && k.ExternalID != "":
		return errors.New("--external-id: given without --role-arn, the role that asks for it")
	case k.RoleARN != "" && !arn.IsARN(k.ARN):
		return fmt.Errorf("--role-arn: only for keys of AWS KMS, and %s is none", k.ARN)
	case k.RoleARN == "":
		return nil
	}
	if err := aws.CheckRole(k.RoleARN, k.ExternalID); err != nil {
		return fmt.Errorf("--role-arn: %w", err)
	}
	return nil
}
