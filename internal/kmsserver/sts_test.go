package kmsserver

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

func stsClient(url string, credentials aws.CredentialsProvider) *sts.Client {
	return sts.New(sts.Options{Region: region, BaseEndpoint: aws.String(url), Credentials: credentials, Retryer: aws.NopRetryer{}})
}

func assume(c *sts.Client, role, externalID string) (*sts.AssumeRoleOutput, error) {
	in := &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("pgseal"), DurationSeconds: aws.Int32(900)}
	if externalID != "" {
		in.ExternalId = &externalID
	}
	return c.AssumeRole(context.Background(), in)
}

// ofSession are the credentials of a role's session.
func ofSession(out *sts.AssumeRoleOutput) aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
}

func TestAssumeRole(t *testing.T) {
	clock := &clock{at: time.Now()}
	s, url := serve(t, Options{Now: clock.now})
	c := stsClient(url, s.Credentials())
	role := s.CreateRole(RoleOptions{Name: "pgseal-acme", Account: other, ExternalID: "ext-1"})
	arn := createKey(t, s, KeyOptions{Account: other, Policy: `{"Version":"2012-10-17","Statement":[` +
		`{"Effect":"Allow","Principal":{"AWS":"` + role + `"},"Action":"kms:*","Resource":"*"}]}`})

	out, err := assume(c, role, "ext-1")
	must(t, err)
	if *out.AssumedRoleUser.Arn != "arn:aws:sts::"+other+":assumed-role/pgseal-acme/pgseal" || !strings.HasPrefix(*out.Credentials.AccessKeyId, "ASIA") {
		t.Errorf("%+v", out)
	}
	if d := out.Credentials.Expiration.Sub(clock.now()); d <= 899*time.Second || d > 900*time.Second {
		t.Errorf("the session ends in %v", d)
	}
	session := client(url, region, ofSession(out))
	generate(t, session, arn)
	_, err = client(url, region, s.Credentials()).GenerateDataKey(context.Background(), &kms.GenerateDataKeyInput{KeyId: &arn, KeySpec: types.DataKeySpecAes256})
	wantCode(t, "who has not assumed the role", err, "AccessDeniedException", 400)

	for what, externalID := range map[string]string{"another external id": "ext-2", "no external id": ""} {
		_, err := assume(c, role, externalID)
		wantCode(t, what, err, "AccessDenied", 403)
	}
	_, err = assume(stsClient(url, s.Principal("stranger", "777788889999")), role, "ext-1")
	wantCode(t, "somebody who is not trusted", err, "AccessDenied", 403)
	_, err = assume(c, role+"x", "ext-1")
	wantCode(t, "no such role", err, "AccessDenied", 403)

	// Trust that is gone ends no session; time does.
	must(t, s.Trust(role))
	_, err = assume(c, role, "ext-1")
	wantCode(t, "trust that was taken away", err, "AccessDenied", 403)
	generate(t, session, arn)
	must(t, s.Trust(role, account))
	_, err = assume(c, role, "ext-1")
	wantCode(t, "trusted again", err, "", 0)
	clock.turn(15 * time.Minute)
	_, err = session.DescribeKey(context.Background(), &kms.DescribeKeyInput{KeyId: &arn})
	wantCode(t, "a session that is over", err, "ExpiredTokenException", 403)
	if n := s.Calls("AssumeRole", ""); n != 7 {
		t.Errorf("%d calls", n)
	}
	if err := s.Trust("arn:aws:iam::1:role/none"); err == nil {
		t.Error("a role that is not there is trusted")
	}
}

func TestAssumeRoleRefuses(t *testing.T) {
	s, url := serve(t, Options{})
	c := stsClient(url, s.Credentials())
	role := s.CreateRole(RoleOptions{Name: "r"})
	ctx := context.Background()
	ask := func(session string, seconds int32) error {
		_, err := c.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: &session, DurationSeconds: &seconds})
		return err
	}
	wantCode(t, "a session's name with a space", ask("a b", 900), "ValidationError", 400)
	wantCode(t, "too short", ask("ab", 899), "ValidationError", 400)
	wantCode(t, "too long", ask("ab", 3601), "ValidationError", 400)
	_, err := assume(c, "pgseal-acme-of-no-account", "")
	wantCode(t, "no ARN", err, "ValidationError", 400)
	_, err = assume(c, role, "a b")
	wantCode(t, "an external id with a space", err, "ValidationError", 400)
	_, err = c.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	wantCode(t, "another operation", err, "InvalidAction", 400)
	_, err = assume(stsClient(url, credentials.NewStaticCredentialsProvider("AKIAUNKNOWN", "x", "")), role, "")
	wantCode(t, "unknown credentials", err, "InvalidClientTokenId", 403)
	_, err = assume(c, role, "")
	must(t, err)
}

// TestSessionToken: a session's credentials are three.
func TestSessionToken(t *testing.T) {
	s, url := serve(t, Options{})
	out, err := assume(stsClient(url, s.Credentials()), s.CreateRole(RoleOptions{Name: "r"}), "")
	must(t, err)
	for _, token := range []string{"", "another"} {
		c := client(url, region, credentials.NewStaticCredentialsProvider(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, token))
		_, err := c.ListKeys(context.Background(), &kms.ListKeysInput{})
		wantCode(t, "token "+token, err, "UnrecognizedClientException", 403)
	}
	_, err = client(url, region, ofSession(out)).ListKeys(context.Background(), &kms.ListKeysInput{})
	must(t, err)
}

func TestFaultsOfSTS(t *testing.T) {
	s, url := serve(t, Options{})
	c := stsClient(url, s.Credentials())
	role := s.CreateRole(RoleOptions{Name: "r"})
	for _, test := range []struct {
		kind Kind
		code string
		http int
	}{
		{Throttle, "Throttling", 400}, {Internal, "InternalFailure", 500}, {Unavailable, "ServiceUnavailable", 503}, {Refuse, "AccessDenied", 403},
	} {
		f := s.Inject(Fault{Kind: test.kind, Op: "AssumeRole", Times: 1})
		_, err := assume(c, role, "")
		wantCode(t, test.code, err, test.code, test.http)
		f.Remove()
	}
}
