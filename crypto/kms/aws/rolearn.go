package aws

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
)

// The forms of API_AssumeRole's parameters
// (https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html), and of a
// role's name with its path (IAM user guide, reference_iam-quotas).
var (
	roleResource   = regexp.MustCompile(`^role/[\w+=,.@/-]+$`)
	externalIDForm = regexp.MustCompile(`^[\w+=,.@:/-]*$`)
)

// CheckRole tells what is wrong with how an org's role is named, and with the external
// id. It asks nobody whether there is such a role.
func CheckRole(roleARN, externalID string) error {
	parsed, err := arn.Parse(roleARN)
	if err != nil || !partition.MatchString(parsed.Partition) || parsed.Service != "iam" || !account.MatchString(parsed.AccountID) || !roleResource.MatchString(parsed.Resource) {
		return fmt.Errorf("%q is not the ARN of a role: it looks like arn:aws:iam::111122223333:role/pgseal", roleARN)
	}
	if n := len(externalID); n == 1 || n > 1224 || !externalIDForm.MatchString(externalID) {
		return errors.New("the external id is not one that AWS takes: 2 to 1224 letters, digits and + = , . @ : / - _") // not shown: it may be meant to be kept to two
	}
	return nil
}
