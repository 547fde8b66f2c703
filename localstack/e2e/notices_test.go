package e2e

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/userapikey/service/functions/servicetest"
	"github.com/userapikey/service/localstack/deployed"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
)

// within bounds a wait for what comes in its own time: far above what it takes.
func within(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

func subscribe(t *testing.T, u *user) *deployed.Subscription {
	t.Helper()
	subscription, err := cloud().Subscribe(t.Context(), u.owner.IAMID)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := subscription.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return subscription
}

// noticesUntil receives notices until there are enough.
func noticesUntil(t *testing.T, s *deployed.Subscription, limit time.Duration, enough func([]deployed.Notice) bool) (all []deployed.Notice) {
	t.Helper()
	ctx := within(t, limit)
	for !enough(all) {
		received, err := s.Receive(ctx)
		if err != nil {
			t.Fatalf("after %d notices: %v", len(all), err)
		}
		all = append(all, received...)
	}
	return all
}

func TestEveryChangeOfALifecycleArrivesAtATargetOfTheBus(t *testing.T) {
	ada, runner := newUser(t, "Administrator"), newUser(t, "JobRunner")
	subscription := subscribe(t, ada)
	first := ada.create().want(t, 201)
	ada.call("PUT", "/v1/schedules/nightly", `{"binding":"follow_active"}`).want(t, 201)
	ada.rotate().want(t, 201)
	for range 3 { // announced once
		runner.authorize(first.Credential).want(t, 200)
	}
	ada.call("PUT", "/v1/rotation-policy", `{"maxAgeDays":30}`).want(t, 200)
	ada.call("DELETE", "/v1/user-api-keys/"+first.Key.ID, "").want(t, 200)
	ada.call("DELETE", "/v1/schedules/nightly", "").want(t, 204)
	ada.deleteAll().want(t, 200)

	want := []string{
		"1 User API Key Created", "2 User API Key Schedule Bound", "3 User API Key Rotated", "3 User API Key Use Refused",
		"4 User API Key Rotation Policy Changed", "5 User API Key Deleted", "6 User API Key Schedule Unbound", "7 User API Key All Deleted",
	}
	all := noticesUntil(t, subscription, 20*time.Second, func(all []deployed.Notice) bool { return len(all) >= len(want) })
	var got []string
	for _, n := range all {
		got = append(got, fmt.Sprintf("%d %s", n.Detail.Revision, n.Type))
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("arrived: %q\nwant: %q", got, want)
	}
}

// The tests' stack has the clock come round every minute.
func TestTheClockComesRoundByItselfAndRotatesWhatIsDue(t *testing.T) {
	ada, runner := newUser(t, "Administrator"), newUser(t, "JobRunner")
	subscription := subscribe(t, ada)
	first := ada.create().want(t, 201)
	ada.call("PUT", "/v1/rotation-policy", `{"maxAgeDays":30,"noticeDays":7}`).want(t, 200)
	if err := cloud().AgeActiveKey(t.Context(), ada.owner, 31*24*time.Hour); err != nil {
		t.Fatal(err)
	}
	t.Parallel() // meanwhile the other tests run

	noticesUntil(t, subscription, 3*time.Minute, func(all []deployed.Notice) bool {
		return slices.ContainsFunc(all, func(n deployed.Notice) bool {
			return n.Type == apikey.EventRotated && n.Detail.Metadata.Actor.Kind == string(apikey.ActorSchedule)
		})
	})
	view := ada.view().want(t, 200)
	phasedOut := view.phasedOut(t)
	view.check(t, "the clock has rotated the key, once", view.Revision == 3 && len(phasedOut) == 1 && phasedOut[0].ID == first.Key.ID)
	decision := runner.authorize(first.Credential)
	decision.check(t, "the old one authorizes nothing", !decision.Allowed && decision.Reason == "key_phased_out")
	checkSecret(t, ada, runner)
}

// A rotation whose process dies between its commit and its move of the secret's
// stages; nobody repeats it.
func TestTheRelayFinishesARotationWhoseProcessDied(t *testing.T) {
	ada, runner := newUser(t, "Administrator"), newUser(t, "JobRunner")
	first := ada.create().want(t, 201)
	arn := checkSecret(t, ada, runner)

	backend := emulated()
	backend.SecretPrefix = "user-api-key/user-api-key" // the deployed functions'
	process := backend.Start()
	living, die := context.WithCancel(t.Context())
	process.Secrets.SetFault(awstest.On("UpdateSecretVersionStage", func(awstest.Call, func() (*http.Response, error)) (*http.Response, error) {
		die()
		return nil, living.Err()
	}))
	process.Send(living, servicetest.Request{
		Method: http.MethodPost, Path: "/v1/user-api-keys/rotation", Token: servicetest.Token(ada.owner, apikey.RoleAdministrator),
	})

	view := ada.view()
	view.check(t, "the rotation was committed", view.Revision == 2 && view.Active.ID != first.Key.ID)
	if living.Err() == nil {
		t.Fatal("the process lived to move the stages")
	}
	ctx := within(t, 20*time.Second)
	for {
		value, err := secrets().GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &arn})
		if err != nil {
			t.Fatal("AWSCURRENT is still the old key's: ", err)
		}
		if *value.VersionId == view.Active.ID {
			break
		}
	}
	checkSecret(t, ada, runner)
}
