package relay_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/functions/relay"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/store/storetest"
)

type object = map[string]any

// redrive asks the relay to relay again; code is that of a refusal.
func (w *world) redrive(ctx context.Context, wanted object) (done relay.Redriven, code string) {
	w.t.Helper()
	payload, err := json.Marshal(object{"redrive": wanted})
	if err != nil {
		w.t.Fatal(err)
	}
	out, err := w.InvokeIn(ctx, w.relay.Handle, payload)
	if refusal, refused := errors.AsType[messages.InvokeResponse_Error](err); refused {
		return done, refusal.Type
	}
	if err == nil {
		err = json.Unmarshal(out, &done)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return done, ""
}

// span is all that was announced between two instants.
func span(since, until time.Time) object { return object{"since": since, "until": until} }

func TestRedriveAnnouncesAndRepairsWhatHappenedInTheSpan(t *testing.T) {
	w := newWorld(t)
	ada, bob := storetest.NewOwner(t), storetest.NewOwner(t)
	w.Create(ada)
	w.Create(bob)
	w.Pass(time.Hour)
	since := w.Now()
	w.breakOff(func() {
		w.Rotate(ada)
		w.Pass(90 * time.Minute)
		w.DeleteAll(bob)
	})
	until := w.Now()
	w.Pass(time.Hour)
	w.Create(bob)

	want := []string{ada.IAMID + " 2 Rotated", bob.IAMID + " 2 All Deleted"}
	slices.Sort(want)
	for n := range 2 {
		done, code := w.redrive(t.Context(), span(since, until))
		if diff := cmp.Diff(relay.Redriven{Relayed: 2}, done); diff != "" || code != "" {
			t.Errorf("%s %s", code, diff)
		}
		got := w.arrived()
		if got = slices.Compact(got); !slices.Equal(got, want) || len(w.bus.Arrived()) != 2*(n+1) {
			t.Errorf("arrived: %v, want each once more: %v", w.arrived(), want)
		}
		w.wantRepaired(ada)
		w.wantRepaired(bob)
		if names := w.Secrets.Names(); len(names) != 2 {
			t.Errorf("secrets: %v", names)
		}
	}
}

// What this instance announced may have been lost further on, or somebody asks for
// it again.
func TestRedriveAnnouncesWhatWasAnnounced(t *testing.T) {
	w := newWorld(t)
	_, batch := w.owners(3)
	w.deliver(batch)
	if done, _ := w.redrive(t.Context(), span(w.Now(), w.Now())); done.Relayed != 3 || len(w.arrived()) != 6 {
		t.Errorf("%+v, arrived %v", done, w.arrived())
	}
}

func itemOf(owner apikey.Owner, sk string) object {
	return object{"item": object{"pk": "OWNER#" + owner.Locator().String(), "sk": sk}}
}

func TestRedriveOfAnItem(t *testing.T) {
	w := newWorld(t)
	ada := storetest.NewOwner(t)
	w.Create(ada)
	w.breakOff(func() { w.Rotate(ada) })
	w.damage(ada, "EVENT#0000000001")
	for _, test := range []struct {
		sk   string
		want relay.Redriven
	}{
		{"EVENT#0000000002", relay.Redriven{Relayed: 1}},
		{"EVENT#0000000001", relay.Redriven{Unreadable: 1}},
		{"EVENT#0000000003", relay.Redriven{}},
		{"RING", relay.Redriven{Unreadable: 1}},
	} {
		if done, code := w.redrive(t.Context(), itemOf(ada, test.sk)); code != "" || done != test.want {
			t.Errorf("%s: %+v %s, want %+v", test.sk, done, code, test.want)
		}
	}
	w.wantRepaired(ada)
	if diff := cmp.Diff([]string{ada.IAMID + " 2 Rotated"}, w.arrived()); diff != "" || len(w.queue.Messages()) != 0 {
		t.Errorf("arrived (-want +got): %s; set aside: %v", diff, w.queue.Messages())
	}
	if !strings.Contains(w.Logged(), "set aside: it cannot be read") {
		t.Error("the log does not tell why")
	}
}

// damage has an item that nobody can read.
func (w *world) damage(owner apikey.Owner, sk string) {
	w.t.Helper()
	_, err := w.Table.Client().PutItem(w.t.Context(), &dynamodb.PutItemInput{TableName: aws.String(storetest.Table), Item: map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: "OWNER#" + owner.Locator().String()}, "sk": &types.AttributeValueMemberS{Value: sk},
		"occurredAt": &types.AttributeValueMemberS{Value: w.Now().UTC().Format(time.RFC3339Nano)},
	}})
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestRedriveTellsWhatFailedAndGoesOn(t *testing.T) {
	w := newWorld(t)
	owners, _ := w.owners(6)
	w.breakOffRotations(owners)
	w.damage(owners[0], "EVENT#0000000001")
	if err := w.Keys.Vault.Delete(t.Context(), w.Ring(owners[1]).SecretARN); err != nil {
		t.Fatal(err)
	}
	w.failFor(owners[2], awstest.Refuse(http.StatusBadRequest, "AccessDeniedException"))
	w.Pass(time.Hour)
	done, code := w.redrive(t.Context(), span(w.Now().Add(-time.Hour), w.Now()))
	if want := (relay.Redriven{Relayed: 7, Failed: 4, Unreadable: 1}); done != want || code != "" {
		t.Errorf("%+v %s, want %+v", done, code, want)
	}
	if arrived := len(w.arrived()); arrived != 11 {
		t.Errorf("%d of 11 arrived", arrived)
	}
	for _, owner := range append(owners[3:], owners[0]) {
		w.wantRepaired(owner)
	}
	w.bus.Transport.SetFault(awstest.Refuse(http.StatusBadRequest, "AccessDeniedException"))
	if done, _ := w.redrive(t.Context(), itemOf(owners[3], "EVENT#0000000002")); done != (relay.Redriven{Failed: 1}) {
		t.Errorf("with the bus down: %+v", done)
	}
}

// A table may be too large for one invocation: the answer tells where to go on.
func TestRedriveGoesOnWhereTimeWasShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.relay.Now = time.Now
		_, batch := w.owners(30)
		w.Table.SetPageBytes(5000)
		w.Table.Transport.SetFault(awstest.On("Scan", func(_ awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
			<-time.After(2 * time.Second)
			return next()
		}))
		wanted, invocations, relayed := span(w.Now(), w.Now()), 0, 0
		for {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			done, code := w.redrive(ctx, wanted)
			if code != "" || ctx.Err() != nil {
				t.Fatalf("%s, %v", code, ctx.Err())
			}
			cancel()
			invocations, relayed = invocations+1, relayed+done.Relayed
			if done.NextCursor == nil {
				break
			}
			wanted["cursor"] = *done.NextCursor
		}
		if invocations < 2 || relayed != 30 {
			t.Errorf("%d relayed by %d invocations", relayed, invocations)
		}
		if diff := cmp.Diff(announcedBy(batch), w.arrived()); diff != "" {
			t.Errorf("committed (-) and announced (+): %s", diff)
		}
	})
}

func TestRedriveWithoutALimitIsDoneInOne(t *testing.T) {
	w := newWorld(t)
	_, batch := w.owners(30)
	w.Table.SetPageBytes(5000)
	if done, code := w.redrive(t.Context(), span(w.Now(), w.Now())); code != "" || done != (relay.Redriven{Relayed: 30}) {
		t.Errorf("%+v %s", done, code)
	}
	if diff := cmp.Diff(announcedBy(batch), w.arrived()); diff != "" {
		t.Errorf("committed (-) and announced (+): %s", diff)
	}
}

func TestRedriveThatIsNotUnderstoodDoesNothing(t *testing.T) {
	w := newWorld(t)
	w.owners(2)
	now := w.Now()
	for name, wanted := range map[string]object{
		"nothing":              {},
		"no beginning":         {"until": now},
		"no end":               {"since": now},
		"end before its start": span(now, now.Add(-time.Second)),
		"no cursor":            {"since": now, "until": now, "cursor": "?"},
		"half an item":         {"item": object{"pk": "OWNER#1"}},
	} {
		if done, code := w.redrive(t.Context(), wanted); code != string(apikey.CodeInvalidRequest) || done != (relay.Redriven{}) {
			t.Errorf("%s: %+v %s", name, done, code)
		}
	}
	if arrived := w.arrived(); len(arrived) != 0 {
		t.Errorf("arrived: %v", arrived)
	}
}

func TestRedriveWithoutATableIsUnavailable(t *testing.T) {
	w := newWorld(t)
	owners, _ := w.owners(2)
	w.Table.Transport.SetFault(awstest.Refuse(http.StatusBadRequest, "AccessDeniedException"))
	for _, wanted := range []object{span(w.Now(), w.Now()), itemOf(owners[0], "EVENT#0000000001")} {
		if done, code := w.redrive(t.Context(), wanted); code != string(apikey.CodeUnavailable) || done != (relay.Redriven{}) {
			t.Errorf("%v: %+v %s", wanted, done, code)
		}
	}
}
