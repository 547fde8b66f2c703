package authorizer

import (
	"context"
	"errors"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
	"github.com/userapikey/service/shared/jobauth"
)

const (
	// maxBatch is how many requests a batch may have.
	maxBatch = 100
	// recordersAtOnce bounds how many runs of a batch are recorded at a time.
	recordersAtOnce = 16
)

// item is one request of a batch on its way to its decision.
type item struct {
	question jobauth.Question
	decision jobauth.Decision
	run      *jobauth.Run
	ring     apikey.Ring
	// problem is why there is no decision: of the form, or of what could not be
	// reached.
	problem error
}

// decideAll decides about each request by itself, in their order. What is
// malformed, and what could not be decided, is told of that request alone.
// Errors: invalid_request when there are none or too many.
func (d decider) decideAll(ctx context.Context, requests []jsontext.Value, caller jobauth.Caller) ([]decisionBody, error) {
	if len(requests) == 0 || len(requests) > maxBatch {
		return nil, apikey.Invalid("requests", "must be 1 to 100")
	}
	items := make([]item, len(requests))
	for i, request := range requests {
		items[i].question, items[i].problem = prepare(request, caller)
	}
	d.readFacts(ctx, items)
	d.recordAll(ctx, items)
	bodies := make([]decisionBody, len(items))
	for i := range items {
		bodies[i] = d.bodyOfItem(ctx, &items[i])
	}
	return bodies, nil
}

func prepare(request jsontext.Value, caller jobauth.Caller) (jobauth.Question, error) {
	var body requestBody
	if err := httpapi.DecodeJSON(request, &body); err != nil {
		return jobauth.Question{}, err
	}
	return body.request().Prepare(caller)
}

// readFacts reads what all questions need, each item once, and decides.
func (d decider) readFacts(ctx context.Context, items []item) {
	var (
		needs  []jobauth.Needs
		needed []int
	)
	for i := range items {
		if items[i].problem != nil {
			continue
		}
		if need, any := items[i].question.Needs(); any {
			needs, needed = append(needs, need), append(needed, i)
			continue
		}
		items[i].decision, _ = items[i].question.Decide(jobauth.Facts{}, d.now())
	}
	facts, errs := d.rings.Facts(ctx, needs)
	for n, i := range needed {
		if items[i].problem = errs[n]; errs[n] == nil {
			items[i].ring = facts[n].Ring
			items[i].decision, items[i].run = items[i].question.Decide(facts[n], d.now())
		}
	}
}

// recordAll records the runs, so many at a time, and notes the uses.
func (d decider) recordAll(ctx context.Context, items []item) {
	var group sync.WaitGroup
	places := make(chan struct{}, recordersAtOnce)
	for i := range items {
		it := &items[i]
		noted := d.noteUse(ctx, it.ring, it.decision)
		places <- struct{}{}
		group.Go(func() {
			defer func() { <-places }()
			defer noted()
			defer func() {
				if recover() != nil {
					it.problem = httpapi.Panicked(ctx, d.log)
				}
			}()
			if err := d.record(ctx, it.run, &it.decision); err != nil {
				it.problem = err
			}
		})
	}
	group.Wait()
}

func (d decider) bodyOfItem(ctx context.Context, it *item) decisionBody {
	if it.problem == nil {
		d.logDecision(ctx, it.question.Request, it.decision)
		return bodyOf(it.decision)
	}
	refusal, ok := errors.AsType[*apikey.Error](it.problem)
	if ok && refusal.Code == apikey.CodeInvalidRequest {
		return decisionBody{Reason: jobauth.InvalidRequest, Detail: refusal.Sentence()}
	}
	d.log.WarnContext(ctx, "not decided", "code", string(apikey.CodeOf(it.problem)), "error", it.problem)
	return decisionBody{Reason: jobauth.Unavailable}
}
