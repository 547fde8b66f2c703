package authorizer

import (
	"context"
	"log/slog"
	"time"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/jobauth"
	"github.com/userapikey/service/shared/store"
)

// decider decides about jobs, whichever way it was asked.
type decider struct {
	rings *store.Store
	now   func() time.Time
	log   *slog.Logger
	uses  *uses
}

// decide reads what the question needs, if anything, answers from it, and
// records the run. What cannot be read or recorded is an error and never a
// decision.
func (d decider) decide(ctx context.Context, request jobauth.Request, caller jobauth.Caller) (jobauth.Decision, error) {
	question, err := request.Prepare(caller)
	if err != nil {
		return jobauth.Decision{}, err
	}
	return d.answer(ctx, question)
}

func (d decider) answer(ctx context.Context, question jobauth.Question) (jobauth.Decision, error) {
	var facts jobauth.Facts
	if needs, any := question.Needs(); any {
		var err error
		if facts, err = d.rings.Fact(ctx, needs); err != nil {
			return jobauth.Decision{}, err
		}
	}
	decision, run := question.Decide(facts, d.now())
	noted := d.noteUse(ctx, facts.Ring, decision)
	defer noted()
	if err := d.record(ctx, run, &decision); err != nil {
		return jobauth.Decision{}, err
	}
	d.logDecision(ctx, question.Request, decision)
	return decision, nil
}

// record records the run of an allowed request, if it has one. A run that is on
// record with a longer lease keeps it.
func (d decider) record(ctx context.Context, run *jobauth.Run, decision *jobauth.Decision) error {
	if run == nil {
		return nil
	}
	recorded, err := d.rings.RecordRun(ctx, *run)
	if err != nil {
		return err
	}
	decision.Run.ExpiresAt = recorded.LeaseExpiresAt
	return nil
}

// renew decides whether a run may go on, and extends its lease when it may.
// Errors: run_not_found, unavailable.
func (d decider) renew(ctx context.Context, refText string, lease time.Duration, caller jobauth.Caller) (jobauth.Decision, error) {
	ref, err := apikey.ParseRunRef(refText)
	if err != nil {
		return jobauth.Decision{}, apikey.RunNotFound()
	}
	run, ring, err := d.rings.RunAndRing(ctx, ref)
	if err != nil {
		return jobauth.Decision{}, err
	}
	if run == nil || !run.MayBeSeenBy(caller) {
		return jobauth.Decision{}, apikey.RunNotFound()
	}
	decision, renewed := run.Renew(ring, d.now(), lease)
	if decision.Allowed {
		extended, err := d.rings.ExtendRun(ctx, renewed)
		if err != nil {
			return jobauth.Decision{}, err
		}
		if extended == nil {
			return jobauth.Decision{}, apikey.RunNotFound() // ended in the meantime
		}
		decision.Run = &jobauth.RunLease{Ref: ref, ExpiresAt: extended.LeaseExpiresAt}
	}
	d.log.LogAttrs(ctx, slog.LevelInfo, "renewal decided", append(outcome(decision), slog.String("jobId", run.JobID))...)
	return decision, nil
}

// end takes a run off the record. Errors: run_not_found, unavailable.
func (d decider) end(ctx context.Context, refText string, caller jobauth.Caller) error {
	ref, err := apikey.ParseRunRef(refText)
	if err != nil {
		return apikey.RunNotFound()
	}
	if caller.Platform {
		return d.rings.EndRun(ctx, ref, "")
	}
	return d.rings.EndRun(ctx, ref, caller.AccountID)
}

func (d decider) logDecision(ctx context.Context, request jobauth.Request, decision jobauth.Decision) {
	d.log.LogAttrs(ctx, slog.LevelInfo, "decided", append(outcome(decision),
		slog.String("jobId", request.JobID),
		slog.String("jobType", string(request.JobType)),
		slog.String("trigger", string(request.Trigger)))...)
}

func outcome(decision jobauth.Decision) []slog.Attr {
	attributes := append(make([]slog.Attr, 0, 8),
		slog.Bool("allowed", decision.Allowed),
		slog.String("reason", string(decision.Reason)))
	if decision.Owner != nil {
		attributes = append(attributes, slog.String("owner", decision.Owner.Locator().String()))
	}
	if decision.KeyID != (apikey.KeyID{}) {
		attributes = append(attributes, slog.String("keyId", decision.KeyID.String()))
	}
	return attributes
}
