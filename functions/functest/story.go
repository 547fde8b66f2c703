package functest

import (
	"context"
	"time"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/lifecycle"
	"github.com/userapikey/service/shared/store"
)

// Jane is the user whom events/ and the examples of the API's contract are
// about. She creates a key in May and rotates it in November.
var Jane = apikey.Owner{AccountID: "0123456789abcdef0123456789abcdef", IAMID: "IBMid-5500SAMPLE", Username: "jane.doe@example.com"}

// Sam is another user of Jane's account.
var Sam = apikey.Owner{AccountID: Jane.AccountID, IAMID: "IBMid-5500ANOTHER", Username: "sam.roe@example.com"}

// When Jane's keys were made, and when the events of events/ came.
var (
	firstCreatedAt  = time.Date(2026, 5, 4, 8, 15, 30, 120e6, time.UTC)
	secondCreatedAt = time.Date(2026, 11, 2, 16, 45, 9, 7e6, time.UTC)
	InvokedAt       = time.Date(2026, 11, 16, 9, 30, 0, 0, time.UTC)
)

// Jane's credentials.
const (
	FirstCredential  = "cpdk_WKhX7ZrHuROqf7KZfzTul8yPif7KxWgRdVfv3uvkVOn_000SAMPLE00NOT0A0REAL0CREDENTIAL000000000010dJAHK"
	SecondCredential = "cpdk_WKhX7ZrHuROqf7KZfzTul8yRObKRpaiJA7afb2D9Cwr_000SAMPLE00NOT0A0REAL0CREDENTIAL000000000022pm6iX"
)

// JaneHasNoKey is how it begins.
func (w *World) JaneHasNoKey() {}

// JaneHasAKey makes her first key.
func (w *World) JaneHasAKey() {
	w.t.Helper()
	w.janes(firstCreatedAt, FirstCredential, w.openSecret, apikey.Ring.Create)
}

// JaneHasRotated makes her first key and then her second.
func (w *World) JaneHasRotated() {
	w.t.Helper()
	w.JaneHasAKey()
	w.janes(secondCreatedAt, SecondCredential, w.putVersion, apikey.Ring.Rotate)
}

// JaneHasSchedules binds a schedule that follows her Active key and one that is
// pinned to her first, rotates, pins another one to her second, and uses that to
// train a model. The ring is at revision 5.
func (w *World) JaneHasSchedules() {
	w.t.Helper()
	w.JaneHasAKey()
	w.janesSchedule(firstCreatedAt, apikey.Schedule{
		ID: "nightly-scoring", Binding: apikey.FollowActive, JobID: "churn-scores", JobType: "datastage_flow",
	})
	w.janesSchedule(firstCreatedAt, apikey.Schedule{
		ID: "weekly-retraining", Binding: apikey.Pinned, KeyID: w.Ring(Jane).Active.ID, JobID: "churn-model", JobType: "model_training",
	})
	w.janes(secondCreatedAt, SecondCredential, w.putVersion, apikey.Ring.Rotate)
	second := w.Ring(Jane).Active.ID
	w.janesSchedule(secondCreatedAt, apikey.Schedule{
		ID: "hourly-forecast", Binding: apikey.Pinned, KeyID: second,
		JobType: "runtime_service", Service: "forecasts", Description: "The shop's stock",
	})
	w.Use(Jane, second)
	w.Run(Jane, second, "run-20261116", time.Hour)
}

// JaneAdministersSam makes Jane's two keys and then Sam's, with a policy of his own
// under which his will be overdue in 30 days.
func (w *World) JaneAdministersSam() {
	w.t.Helper()
	w.JaneHasRotated()
	w.Create(Sam)
	w.SetPolicy(Sam, apikey.RotationPolicy{MaxAgeDays: 30, NoticeDays: 7, DeletePhasedOutAfterDays: 60})
	w.Table.CatchUp()
}

// JaneHasOffboardedSam leaves him without a key, and suspended.
func (w *World) JaneHasOffboardedSam() {
	w.t.Helper()
	w.JaneAdministersSam()
	w.suspend(Sam, Jane.IAMID)
}

func (w *World) janesSchedule(boundAt time.Time, s apikey.Schedule) {
	w.t.Helper()
	w.update(Jane, func(_ context.Context, ring apikey.Ring) (apikey.Ring, apikey.Event, error) {
		next, event, _, err := ring.Bind(janesCommand(boundAt), nil, s)
		return next, *event, err
	})
}

func janesCommand(now time.Time) apikey.Command {
	return apikey.Command{Actor: apikey.Actor{Kind: apikey.ActorUser, ID: Jane.IAMID}, Now: now, CorrelationID: "story"}
}

type (
	put    = func(context.Context, apikey.Ring, apikey.Credential) (apikey.Material, error)
	change = func(apikey.Ring, apikey.Command, apikey.Material) (apikey.Ring, apikey.Event, error)
)

// janes makes a key of Jane's with a credential that was fixed beforehand.
func (w *World) janes(createdAt time.Time, text string, put put, change change) {
	w.t.Helper()
	credential, err := apikey.ParseCredential(text)
	if err != nil {
		w.t.Fatal(err)
	}
	w.update(Jane, func(ctx context.Context, ring apikey.Ring) (apikey.Ring, apikey.Event, error) {
		material, err := put(ctx, ring, credential)
		if err != nil {
			return ring, apikey.Event{}, err
		}
		return change(ring, janesCommand(createdAt), material)
	})
}

func (w *World) openSecret(ctx context.Context, _ apikey.Ring, credential apikey.Credential) (apikey.Material, error) {
	return w.Keys.Vault.Open(ctx, credential)
}

func (w *World) putVersion(ctx context.Context, ring apikey.Ring, credential apikey.Credential) (apikey.Material, error) {
	material, err := w.Keys.Vault.Stage(ctx, ring.SecretARN, credential)
	if err != nil {
		return material, err
	}
	return material, w.Keys.Vault.Promote(ctx, material, ring.Active.VersionID)
}

// Suspend off-boards the owner, past every function.
func (w *World) Suspend(owner apikey.Owner) {
	w.t.Helper()
	w.suspend(owner, "IBMid-ADMINISTRATOR")
}

func (w *World) suspend(owner apikey.Owner, administrator string) {
	w.t.Helper()
	if _, err := w.Keys.Suspend(w.t.Context(), administration(owner, administrator)); err != nil {
		w.t.Fatal(err)
	}
}

// Reinstate ends the owner's suspension, past every function.
func (w *World) Reinstate(owner apikey.Owner) {
	w.t.Helper()
	if _, err := w.Keys.Reinstate(w.t.Context(), administration(owner, "IBMid-ADMINISTRATOR")); err != nil {
		w.t.Fatal(err)
	}
}

func administration(owner apikey.Owner, administrator string) apikey.ChangeRequest {
	r := request(owner)
	r.Actor = apikey.Actor{Kind: apikey.ActorAdministrator, ID: administrator}
	return r
}

// SetPolicy gives the owner a rotation policy, past every function.
func (w *World) SetPolicy(owner apikey.Owner, p apikey.RotationPolicy) {
	w.t.Helper()
	w.update(owner, func(_ context.Context, ring apikey.Ring) (apikey.Ring, apikey.Event, error) {
		next, event, err := ring.SetPolicy(w.command(owner), p)
		return next, *event, err
	})
}

func (w *World) update(owner apikey.Owner, change func(context.Context, apikey.Ring) (apikey.Ring, apikey.Event, error)) {
	w.t.Helper()
	_, err := w.Keys.Rings.Update(w.t.Context(), owner, store.Idempotency{},
		func(ctx context.Context, ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
			next, event, err := change(ctx, ring)
			return next, &event, err
		})
	if err != nil {
		w.t.Fatal(err)
	}
}

// Create makes the owner's Active key, past every function.
func (w *World) Create(owner apikey.Owner) lifecycle.Issued {
	w.t.Helper()
	return w.issued(w.Keys.Create(w.t.Context(), request(owner)))
}

// Rotate rotates the owner's key, past every function.
func (w *World) Rotate(owner apikey.Owner) lifecycle.Issued {
	w.t.Helper()
	return w.issued(w.Keys.Rotate(w.t.Context(), request(owner)))
}

// DeleteOne deletes a key of the owner's, past every function.
func (w *World) DeleteOne(owner apikey.Owner, id apikey.KeyID) {
	w.t.Helper()
	if _, err := w.Keys.DeleteOne(w.t.Context(), request(owner), id); err != nil {
		w.t.Fatal(err)
	}
}

// DeleteAll deletes the owner's keys, past every function.
func (w *World) DeleteAll(owner apikey.Owner) {
	w.t.Helper()
	if _, err := w.Keys.DeleteAll(w.t.Context(), request(owner)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *World) issued(issued lifecycle.Issued, err error) lifecycle.Issued {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	return issued
}

func request(owner apikey.Owner) apikey.ChangeRequest {
	return apikey.ChangeRequest{
		Owner:         owner,
		Actor:         apikey.Actor{Kind: apikey.ActorUser, ID: owner.IAMID},
		CorrelationID: "story",
	}
}
