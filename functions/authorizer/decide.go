package authorizer

import (
	"context"
	"log/slog"
	"time"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
	"github.com/userapikey/service/shared/jobauth"
	"github.com/userapikey/service/shared/store"
)

// decider decides about jobs, whichever way it was asked.
type decider struct {
	rings *store.Store
	now   func() time.Time
	log   *slog.Logger
	// uses and refusals are what was tried to be written of keys: their last use,
	// and that one was presented and refused.
	uses, refusals *tried
}

// decide answers whether a job may run, and records its run. Errors:
// invalid_request, unavailable.
func (d decider) decide(ctx context.Context, request jobauth.Request, caller jobauth.Caller) (jobauth.Decision, error) {
	question, err := request.Prepare(caller)
	if err != nil {
		return jobauth.Decision{}, err
	}
	decision, err := d.answer(ctx, question)
	if err == nil {
		d.logDecision(ctx, decision, aboutJob(request)...)
	}
	return decision, err
}

// answer reads what the question needs, if anything, answers from it, and records
// the run. What cannot be read or recorded is an error and never a decision.
// Errors: unavailable.
func (d decider) answer(ctx context.Context, question jobauth.Question) (jobauth.Decision, error) {
	var facts jobauth.Facts
	if needs, needed := question.Needs(); needed {
		var err error
		if facts, err = d.rings.Fact(ctx, needs); err != nil {
			return jobauth.Decision{}, err
		}
	}
	decision, run := question.Decide(facts, d.now())
	if aside, due := d.dueAside(ctx, question, facts.Ring, decision); due {
		defer d.writeAsides(ctx, aside)()
	}
	err := d.record(ctx, run, &decision)
	return decision, err
}

// record records the run of an allowed request, if it has one. A run that is on
// record with a longer lease keeps it.
func (d decider) record(ctx context.Context, run *jobauth.Run, decision *jobauth.Decision) error {
	if run == nil {
		return nil
	}
	recorded, err := d.rings.RecordRun(ctx, *run)
	if err == nil {
		decision.Run.ExpiresAt = recorded.LeaseExpiresAt
	}
	return err
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
		decision.Run.ExpiresAt = extended.LeaseExpiresAt
	}
	d.logDecision(ctx, decision, slog.String("jobId", run.JobID), slog.String("renewal", ref.String()))
	return decision, nil
}

// end takes a run off the record. Errors: run_not_found, unavailable.
func (d decider) end(ctx context.Context, refText string, caller jobauth.Caller) error {
	ref, err := apikey.ParseRunRef(refText)
	if err != nil {
		return apikey.RunNotFound()
	}
	accountID := caller.AccountID
	if caller.Platform {
		accountID = "" // whosever it is
	} else if accountID == "" {
		return apikey.RunNotFound()
	}
	return d.rings.EndRun(ctx, ref, accountID)
}

// safely does what a goroutine does, or an invocation: a panic is a defect,
// answered like any other, instead of the process's end.
func (d decider) safely(ctx context.Context, work func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = httpapi.Panicked(ctx, d.log)
		}
	}()
	return work()
}

func aboutJob(request jobauth.Request) []slog.Attr {
	return []slog.Attr{
		slog.String("jobId", request.JobID),
		slog.String("jobType", string(request.JobType)),
		slog.String("trigger", string(request.Trigger)),
	}
}

func (d decider) logDecision(ctx context.Context, decision jobauth.Decision, about ...slog.Attr) {
	attributes := append(make([]slog.Attr, 0, 8),
		slog.Bool("allowed", decision.Allowed),
		slog.String("reason", string(decision.Reason)))
	if decision.Owner != nil {
		attributes = append(attributes, slog.String("owner", decision.Owner.Locator().String()))
	}
	if decision.KeyID != (apikey.KeyID{}) {
		attributes = append(attributes, slog.String("keyId", decision.KeyID.String()))
	}
	d.log.LogAttrs(ctx, slog.LevelInfo, "decided", append(attributes, about...)...)
}

func (d decider) logUndecided(ctx context.Context, err error) {
	d.log.WarnContext(ctx, "not decided", "code", string(apikey.CodeOf(err)), "error", err)
}
