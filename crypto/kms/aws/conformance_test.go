package aws

import (
	"testing"

	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/crypto/kms/kmstest"
	"github.com/pgseal/pgseal/internal/kmsserver"
)

func TestConformance(t *testing.T) {
	kmstest.Run(t, func(t *testing.T) *kmstest.Subject {
		s, o := server(t)
		o.Attempts = 1
		credentials, err := s.Credentials().Retrieve(t.Context())
		must(t, err)
		arn, other := create(t, s, kmsserver.KeyOptions{}), create(t, s, kmsserver.KeyOptions{})
		var fault *kmsserver.Injected
		broken := func(name string, kind kmsserver.Kind, reason string, hangs bool) kmstest.Silence {
			return kmstest.Silence{
				Name: name, Reason: reason, Hangs: hangs,
				Begin: func() { fault = s.Inject(kmsserver.Fault{Kind: kind}) },
				End:   func() { fault.Remove() },
			}
		}
		return &kmstest.Subject{
			Provider: provider(t, o), Key: kms.Key{ARN: arn}, Other: kms.Key{ARN: other},
			Missing:  kms.Key{ARN: arn[:len(arn)-4] + "0000"},
			BadNames: []string{"arn:aws:s3:::bucket", "arn:aws:kms:eu-central-1:111122223333:" + "nonsense"},
			State:    "Enabled", Secrets: []string{credentials.SecretAccessKey},
			Switches: []kmstest.Switch{
				{Name: "disabled", Described: true, Off: func() { must(t, s.Disable(arn)) }, On: func() { must(t, s.Enable(arn)) }},
				{Name: "pending deletion", Described: true, Off: func() { must(t, s.ScheduleDeletion(arn, 7)) },
					On: func() { must(t, s.CancelDeletion(arn)); must(t, s.Enable(arn)) }},
				{Name: "denied", Off: func() { must(t, s.Deny(arn)) }, On: func() { must(t, s.Allow(arn)) }},
			},
			Delete: func() { must(t, s.Delete(arn)) },
			Silences: []kmstest.Silence{
				broken("throttled", kmsserver.Throttle, "ThrottlingException", false),
				broken("internal error", kmsserver.Internal, "", false),
				broken("unavailable", kmsserver.Unavailable, "", false),
				broken("garbage", kmsserver.Garbage, "", false),
				broken("reset", kmsserver.Reset, kms.ReasonNetwork, false),
				broken("hangs", kmsserver.Hang, kms.ReasonTimeout, true),
			},
		}
	})
}
