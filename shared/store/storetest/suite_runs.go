package storetest

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/jobauth"
)

// run is the owner's run, as a decision for the lease would have it now.
func (h *harness) run(runID string, lease time.Duration) jobauth.Run {
	return jobauth.Run{
		Owner: h.owner, KeyID: apikey.KeyID{6: 0x70, 8: 0x80, 15: 1}, JobID: "job-1", RunID: runID, JobType: jobauth.ModelTraining,
		StartedAt: h.now(), LeaseExpiresAt: h.now().Add(lease),
	}
}

func (h *harness) record(run jobauth.Run) jobauth.Run {
	h.t.Helper()
	recorded, err := h.store.RecordRun(h.t.Context(), run)
	if err != nil {
		h.t.Fatal(err)
	}
	return recorded
}

// wantOnRecord wants the run on record; nil is none.
func (h *harness) wantOnRecord(when string, ref apikey.RunRef, want *jobauth.Run) {
	h.t.Helper()
	run, ring, err := h.store.RunAndRing(h.t.Context(), ref)
	if err != nil {
		h.t.Fatal(err)
	}
	if diff := gocmp.Diff(want, run); diff != "" {
		h.t.Errorf("%s, on record (-want +got): %s", when, diff)
	}
	wantRing := apikey.Ring{}
	if want != nil {
		wantRing = h.ring()
	}
	if diff := gocmp.Diff(wantRing, ring); diff != "" {
		h.t.Errorf("%s, the ring (-want +got): %s", when, diff)
	}
}

// running are the owner's running operations, in the order of their ids.
func (h *harness) running() (runs []jobauth.Run) {
	h.t.Helper()
	if err := h.store.Running(h.t.Context(), h.owner.Locator(), func(run jobauth.Run) { runs = append(runs, run) }); err != nil {
		h.t.Fatal(err)
	}
	slices.SortFunc(runs, func(a, b jobauth.Run) int { return cmp.Compare(a.RunID, b.RunID) })
	return runs
}

func (h *harness) wantRunning(when string, want ...jobauth.Run) {
	h.t.Helper()
	if diff := gocmp.Diff(want, h.running(), cmpopts.EquateEmpty()); diff != "" {
		h.t.Errorf("%s, running (-want +got): %s", when, diff)
	}
}

func runsAreReadBackWhole(t *testing.T, h *harness) {
	h.wantOnRecord("never recorded", h.run("a", time.Hour).Ref(), nil)
	h.must(h.create(""))
	h.wantRunning("none")
	plain, full := h.run("a", time.Hour), h.run("b", 24*time.Hour)
	full.KeyID, full.JobID, full.RunID = h.ring().Active.ID, "Nachtlauf, 夜間 🌙 #1", "b/2026-11-03T12:00:00Z"
	full.JobType, full.Service, full.Owner.Username = jobauth.RuntimeService, "watsonx", ""
	for _, run := range []jobauth.Run{plain, full} {
		if diff := gocmp.Diff(run, h.record(run)); diff != "" {
			t.Errorf("the run (-) and what was recorded (+): %s", diff)
		}
		h.wantOnRecord("recorded", run.Ref(), &run)
	}
	h.wantRunning("recorded", plain, full)
}

func runAskedForAgain(t *testing.T, h *harness) {
	first := h.run("a", time.Hour)
	h.record(first)
	h.clock.Add(90 * time.Second.Milliseconds())
	again := h.run("a", time.Hour)
	again.KeyID, again.JobType, again.Service, again.Owner.Username = apikey.KeyID{6: 0x70, 8: 0x80, 15: 2}, jobauth.RuntimeService, "watsonx", "other"
	want := again
	want.StartedAt = first.StartedAt
	if diff := gocmp.Diff(want, h.record(again)); diff != "" {
		t.Errorf("recorded (-want +got): %s", diff)
	}
	h.wantOnRecord("asked for again", first.Ref(), &want)
	h.wantRunning("asked for again", want)
}

// Whatever it is asked for, a lease is never shortened; what else the new
// decision says is recorded.
func leasesAreNeverShortened(t *testing.T, h *harness) {
	first := h.run("a", time.Hour)
	h.record(first)
	for i, lease := range []time.Duration{time.Second, time.Hour - time.Millisecond, time.Hour, time.Hour + time.Millisecond, time.Minute, 24 * time.Hour, time.Hour} {
		again := first
		again.KeyID = apikey.KeyID{6: 0x70, 8: 0x80, 15: byte(i + 2)}
		again.StartedAt, again.LeaseExpiresAt = h.now().Add(time.Minute), h.now().Add(lease)
		want := again
		want.StartedAt = first.StartedAt
		if first.LeaseExpiresAt.After(want.LeaseExpiresAt) {
			want.LeaseExpiresAt = first.LeaseExpiresAt
		}
		if diff := gocmp.Diff(want, h.record(again)); diff != "" {
			t.Errorf("for %v (-want +got): %s", lease, diff)
		}
		h.wantOnRecord(lease.String(), first.Ref(), &want)
		first = want
	}
}

// A run whose lease has run out goes on when it is asked for again, until it is
// on record no longer: then it is a new run. It is the instant that decides, to
// the millisecond.
func expiredRunIsANewRun(t *testing.T, h *harness) {
	const onRecord = jobauth.RecordPeriod
	for _, c := range []struct {
		name  string
		after time.Duration // the lease has run out
		same  bool
	}{
		{"as it runs out", 0, true},
		{"a second before it is off the record", onRecord - time.Second, true},
		{"half a second before", onRecord - 500*time.Millisecond, true},
		{"a millisecond before", onRecord - time.Millisecond, true},
		{"as it is off the record", onRecord, false},
		{"later", 10 * onRecord, false},
	} {
		for _, fraction := range []int64{0, 300, 700, 999} { // where in its second the lease runs out
			run := fmt.Sprint(c.name, fraction)
			h.clock.Store(h.clock.Load()/1000*1000 + fraction)
			first := h.record(h.run(run, time.Minute))
			h.clock.Store(first.LeaseExpiresAt.Add(c.after).UnixMilli())
			if c.same {
				h.wantOnRecord(run, first.Ref(), &first)
			} else {
				h.wantOnRecord(run, first.Ref(), nil)
			}
			again := h.run(run, time.Second)
			want := again
			if c.same {
				want.StartedAt = first.StartedAt
			}
			if diff := gocmp.Diff(want, h.record(again)); diff != "" {
				t.Errorf("%s (-want +got): %s", run, diff)
			}
		}
	}
}

func runsAtOnceAreOneRun(t *testing.T, h *harness) {
	const workers = 12
	for _, when := range []string{"new", "on record", "expired"} {
		if when == "expired" {
			h.clock.Add((jobauth.RecordPeriod + 2*time.Hour).Milliseconds())
		}
		started := h.now()
		answers := make([]jobauth.Run, workers)
		codes := inParallel(workers, func(i int) apikey.Code {
			run := h.run("a", time.Duration(i%5+1)*time.Minute)
			run.StartedAt = run.StartedAt.Add(time.Duration(i) * time.Millisecond)
			var err error
			answers[i], err = h.store.RecordRun(t.Context(), run)
			return apikey.CodeOf(err)
		})
		runs := h.running()
		if len(runs) != 1 || !runs[0].LeaseExpiresAt.Equal(started.Add(5*time.Minute)) {
			t.Fatalf("%s: %+v", when, runs)
		}
		for i, code := range codes {
			if code != "" || !answers[i].StartedAt.Equal(runs[0].StartedAt) || answers[i].LeaseExpiresAt.Before(started.Add(time.Duration(i%5+1)*time.Minute)) {
				t.Errorf("%s: worker %d got %q, started %v, lease until %v; want %v", when, i, code, answers[i].StartedAt, answers[i].LeaseExpiresAt, runs[0].StartedAt)
			}
		}
	}
}

// Only what runs, and all of it: beyond one page of a query as well.
func runningAreThoseWhoseLeaseHasNotRunOut(t *testing.T, h *harness) {
	var want []jobauth.Run
	for n := range 30 {
		want = append(want, h.record(h.run(fmt.Sprintf("run-%02d", n), time.Duration(n+1)*time.Second)))
	}
	owner := h.owner
	h.owner = NewOwner(t)
	h.record(h.run("run-00", time.Hour)) // another's
	h.owner = owner
	started := h.now()
	for _, c := range []struct {
		after time.Duration
		over  int
	}{{0, 0}, {time.Second - time.Millisecond, 0}, {time.Second, 1}, {1500 * time.Millisecond, 1}, {29 * time.Second, 29}, {30 * time.Second, 30}} {
		h.clock.Store(started.Add(c.after).UnixMilli())
		h.wantRunning(fmt.Sprint("after ", c.after), want[c.over:]...)
	}
}
