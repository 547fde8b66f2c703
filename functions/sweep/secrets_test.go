package sweep_test

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/userapikey/service/functions/sweep"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/store"
	"github.com/userapikey/service/shared/store/storetest"
)

// orphan leaves a secret behind that no ring names, as a create does whose commit
// is never answered.
func (w *world) orphan(owner apikey.Owner) (name string) {
	w.t.Helper()
	before := w.secrets.Names()
	p := w.start(ofDeployment)
	p.table.SetFault(awstest.On("TransactWriteItems", awstest.Reset))
	if _, err := p.Keys.Create(w.t.Context(), request(owner)); apikey.CodeOf(err) != apikey.CodeUnavailable {
		w.t.Fatalf("created: %v", err)
	}
	for _, name := range w.secrets.Names() {
		if !slices.Contains(before, name) {
			return name
		}
	}
	w.t.Fatal("nothing was left behind")
	return ""
}

// name makes a secret by that name, past every function.
func (w *world) name(name string) string {
	w.t.Helper()
	_, err := w.secrets.Client().CreateSecret(w.t.Context(), &secretsmanager.CreateSecretInput{Name: &name, SecretString: aws.String("x"), ClientRequestToken: aws.String("00000000-0000-7000-8000-000000000000")})
	w.must(err)
	return name
}

// unsettled leaves AWSCURRENT on the old key's version, as a rotation does that is
// killed after its commit.
func (w *world) unsettled(owner apikey.Owner) {
	w.t.Helper()
	w.create(owner)
	p := w.start(ofDeployment)
	p.secrets.SetFault(awstest.On("UpdateSecretVersionStage", awstest.Reset))
	_, err := p.Keys.Rotate(w.t.Context(), request(owner))
	w.must(err)
	if w.isSettled(owner) {
		w.t.Fatal("AWSCURRENT was moved")
	}
}

func (w *world) isSettled(owner apikey.Owner) bool {
	w.t.Helper()
	ring := w.ring(owner)
	return w.secrets.Labels(ring.SecretARN)["AWSCURRENT"] == ring.Active.VersionID
}

func (w *world) wantSettled(owner apikey.Owner) {
	w.t.Helper()
	if !w.isSettled(owner) {
		w.t.Errorf("the secret of %s is not repaired", owner.IAMID)
	}
}

func (w *world) exists(name string) bool { return slices.Contains(w.secrets.Names(), name) }

func TestOnlySecretsThatNobodyCanUseAreRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.create(userN(0))
		locator := userN(9).Locator().String()
		old := time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)
		oldID, err := apikey.NewUUID(old, rand.Reader)
		w.must(err)
		kept := []string{
			w.secrets.Names()[0],
			w.name("user-api-key/testing/" + locator + "/" + oldID.String()),
			w.name("user-api-key/other/" + locator + "/" + oldID.String()),
			w.name(prefix + "/" + locator),
			w.name(prefix + "/" + locator + "/" + oldID.String() + "/more"),
			w.name(prefix + "/somebody-elses/" + oldID.String()),
			w.name(prefix + "/" + locator + "/somebody-elses"),
			w.name("x/" + prefix + "/" + locator + "/" + oldID.String()),
		}
		// The secret of keys that were all deleted while Secrets Manager was down.
		left := w.start(ofDeployment)
		w.create(userN(1))
		w.create(userN(2))
		left.secrets.SetFault(awstest.Reset)
		_, err = left.Keys.DeleteAll(t.Context(), request(userN(1)))
		w.must(err)
		_, err = left.Keys.Suspend(t.Context(), request(userN(2)))
		w.must(err)
		// One that another create of the same owner came after.
		w.orphan(userN(3))
		w.create(userN(3))
		// And one of nobody at all.
		w.orphan(userN(9))
		kept = append(kept, nameOf(w, userN(3)))
		if names := w.secrets.Names(); len(names) != 13 {
			t.Fatalf("secrets: %v", names)
		}
		pass(24*time.Hour - time.Second)
		wantCounts(t, w.sweep(), sweep.Counts{})
		pass(24 * time.Hour)
		wantCounts(t, w.sweep(), sweep.Counts{Removed: 4})
		slices.Sort(kept)
		if names := w.secrets.Names(); !slices.Equal(names, kept) {
			t.Errorf("secrets: %v", names)
		}
		w.wantAgreement()
	})
}

func nameOf(w *world, owner apikey.Owner) string {
	rest := w.ring(owner).SecretARN
	for _, name := range w.secrets.Names() {
		if strings.Contains(rest, name+"-") {
			return name
		}
	}
	w.t.Fatal("no such secret")
	return ""
}

// A create has put its material and is about to commit, when a sweep comes whose
// clock is hours ahead.
func TestTheMaterialOfACreateInProgressIsKept(t *testing.T) {
	for name, ahead := range map[string]time.Duration{"on time": 0, "a clock far ahead": 23 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				user := w.start(ofDeployment)
				user.table.SetFault(awstest.On("TransactWriteItems", awstest.Once(awstest.Before(func() {
					p := w.start(ofDeployment)
					p.Now = func() time.Time { return time.Now().Add(ahead) }
					wantCounts(t, p.run(), sweep.Counts{})
					if lists := awstest.Count(p.secrets.TakeCalls(), "ListSecrets"); lists != 1 {
						t.Errorf("%d lists: the sweep did not look", lists)
					}
				}))))
				_, err := user.Keys.Create(t.Context(), request(userN(0)))
				w.must(err)
				w.wantAgreement()
			})
		})
	}
}

func TestEverySecretIsRepairedOnceADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.secrets.SetPageSize(10)
		const users = 35
		for n := range users {
			w.unsettled(userN(n))
		}
		p := w.start(apikey.RotationPolicy{})
		for day := range 3 {
			for range 4 {
				p.run()
				pass(15 * time.Minute)
			}
			calls := p.secrets.TakeCalls()
			if lists := awstest.Count(calls, "ListSecrets"); lists != 4 {
				t.Errorf("day %d: %d pages were listed, want 4", day+1, lists)
			}
			if day > 0 && awstest.Count(calls, "UpdateSecretVersionStage") > 0 {
				t.Errorf("day %d: what was repaired is repaired again", day+1)
			}
			for n := range users {
				w.wantSettled(userN(n))
			}
			pass(days(1))
		}
		w.wantAgreement(p)
	})
}

// A walk that was broken off goes on where it was, whoever comes by, and begins
// anew when Secrets Manager no longer knows where that was.
func TestAWalkThatWasBrokenOffGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.secrets.SetPageSize(10)
		const users = 35
		for n := range users {
			w.unsettled(userN(n))
		}
		broken := w.start(apikey.RotationPolicy{})
		broken.secrets.SetFault(awstest.On("ListSecrets", awstest.From(3, awstest.Reset)))
		if _, err := broken.Handle(t.Context()); apikey.CodeOf(err) != apikey.CodeUnavailable {
			t.Errorf("answered %v", err)
		}
		next := w.start(apikey.RotationPolicy{})
		next.run()
		if more := awstest.Count(next.secrets.TakeCalls(), "ListSecrets"); more != 2 {
			t.Errorf("%d pages were listed then, want 2", more)
		}
		for n := range users {
			w.wantSettled(userN(n))
		}
	})
}

func TestAWalkBeginsAnewWhenItsPlaceIsUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.unsettled(userN(0))
		_, err := w.users.Rings.AdvanceWalk(t.Context(), store.Walk{Day: time.Now().UTC().Format(time.DateOnly), Pages: 3, Token: "expired"})
		w.must(err)
		wantCounts(t, w.start(apikey.RotationPolicy{}).run(), sweep.Counts{})
		w.wantSettled(userN(0))
	})
}

func TestTwoWalksAtOnceMissNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.secrets.SetPageSize(10)
		const users = 35
		var orphans []string
		for n := range users {
			w.unsettled(userN(n))
			orphans = append(orphans, w.orphan(userN(1000+n)))
		}
		pass(days(2))
		var group sync.WaitGroup
		for seed := range uint64(3) {
			p := w.start(apikey.RotationPolicy{})
			p.slowly(seed)
			group.Go(func() { p.run() })
		}
		group.Wait()
		w.sweep()
		for n := range users {
			w.wantSettled(userN(n))
			if w.exists(orphans[n]) {
				t.Errorf("the orphan %d is left", n)
			}
		}
		w.wantAgreement()
	})
}

// What cannot be looked after does not keep the others from it, and is never taken
// for an orphan.
func TestASecretWhoseRingIsDamagedIsKeptAndTheOthersAreRepaired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.create(userN(0))
		w.unsettled(userN(1))
		damaged := nameOf(w, userN(0))
		w.create(userN(2))
		_, err := w.secrets.Client().DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{
			SecretId: aws.String(w.ring(userN(2)).SecretARN), ForceDeleteWithoutRecovery: aws.Bool(true),
		})
		w.must(err)
		w.damage(userN(0))
		pass(days(2))
		wantCounts(t, w.start(apikey.RotationPolicy{}).run(), sweep.Counts{Failed: 1})
		if !w.exists(damaged) || !w.isSettled(userN(1)) {
			t.Errorf("the damaged ring's secret exists: %t, the other is repaired: %t", w.exists(damaged), w.isSettled(userN(1)))
		}
	})
}

// damage makes the owner's ring unreadable, and leaves it in the index.
func (w *world) damage(owner apikey.Owner) {
	w.t.Helper()
	text := func(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
	_, err := w.table.Client().PutItem(context.Background(), &dynamodb.PutItemInput{
		TableName: aws.String(storetest.Table),
		Item: map[string]types.AttributeValue{
			"pk": text("OWNER#" + owner.Locator().String()), "sk": text("RING"), "revision": text("many"),
			"due": text("DEFAULT"), "dueAt": &types.AttributeValueMemberN{Value: "0"},
		},
		ConditionExpression: aws.String("attribute_exists(pk)"),
	})
	w.must(err)
}
