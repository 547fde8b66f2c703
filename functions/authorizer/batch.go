package authorizer

import (
	"context"
	"errors"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
	"github.com/userapikey/service/shared/jobauth"
	"github.com/userapikey/service/shared/parallel"
)

const (
	// maxBatch is how many requests a batch may have.
	maxBatch = 100
	// maxWritesAtOnce bounds how many of a batch's writes are under way at a time,
	// of runs and beside the decisions each.
	maxWritesAtOnce = 16
)

// item is one request of a batch on its way to its decision.
type item struct {
	question jobauth.Question
	ring     apikey.Ring
	decision jobauth.Decision
	run      *jobauth.Run
	// problem is why there is no decision: of the form, or of what could not be
	// reached.
	problem error
}

// decideAll decides about each request of a list by itself, in their order. What
// is malformed, and what could not be decided, is told of that request alone.
// Errors: invalid_request when they are none or too many.
func (d decider) decideAll(ctx context.Context, list jsontext.Value, caller jobauth.Caller) ([]decisionBody, error) {
	requests, err := split(list)
	if err != nil {
		return nil, err
	}
	items := make([]item, len(requests))
	for i, request := range requests {
		items[i].question, items[i].problem = prepare(request, caller)
	}
	d.readFacts(ctx, items)
	d.recordRuns(ctx, items)
	bodies := make([]decisionBody, len(items))
	for i := range items {
		bodies[i] = d.bodyOfItem(ctx, &items[i])
	}
	return bodies, nil
}

// split takes a list apart and leaves its requests as they came.
func split(list jsontext.Value) (requests []jsontext.Value, err error) {
	if list.Kind() == '[' {
		err = json.Unmarshal(list, &requests, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	}
	if err != nil || len(requests) == 0 || len(requests) > maxBatch {
		return nil, apikey.Invalid("requests", "must be a list of 1 to 100 requests")
	}
	return requests, nil
}

func prepare(request jsontext.Value, caller jobauth.Caller) (jobauth.Question, error) {
	if request.Kind() != '{' {
		return jobauth.Question{}, apikey.Invalid("request", "must be a JSON object")
	}
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
		asking []*item
	)
	for i := range items {
		it := &items[i]
		if it.problem != nil {
			continue
		}
		if need, needed := it.question.Needs(); needed {
			needs, asking = append(needs, need), append(asking, it)
			continue
		}
		it.decision, _ = it.question.Decide(jobauth.Facts{}, d.now())
	}
	// Reading may take a while; what could be read then still has the time to go
	// on record.
	ctx, cancel := httpapi.WithAnswerReserve(ctx)
	defer cancel()
	facts, errs := d.rings.Facts(ctx, needs)
	for i, it := range asking {
		if it.problem = errs[i]; it.problem == nil {
			it.ring = facts[i].Ring
			it.decision, it.run = it.question.Decide(facts[i], d.now())
		}
	}
}

// recordRuns records the runs, and meanwhile what is to be written beside the
// decisions.
func (d decider) recordRuns(ctx context.Context, items []item) {
	var (
		running []*item
		asides  []aside
	)
	for i := range items {
		it := &items[i]
		if it.run != nil {
			running = append(running, it)
		}
		if aside, due := d.dueAside(ctx, it.question, it.ring, it.decision); due {
			asides = append(asides, aside)
		}
	}
	if len(asides) > 0 {
		defer d.writeAsides(ctx, asides...)()
	}
	parallel.Each(maxWritesAtOnce, running, func(it *item) {
		it.problem = d.safely(ctx, func() error { return d.record(ctx, it.run, &it.decision) })
	})
}

func (d decider) bodyOfItem(ctx context.Context, it *item) decisionBody {
	if it.problem == nil {
		d.logDecision(ctx, it.decision, aboutJob(it.question.Request)...)
		return bodyOf(it.decision)
	}
	refusal, ok := errors.AsType[*apikey.Error](it.problem)
	if ok && refusal.Code == apikey.CodeInvalidRequest {
		return decisionBody{Reason: jobauth.InvalidRequest, Detail: refusal.Sentence()}
	}
	d.logUndecided(ctx, it.problem)
	return decisionBody{Reason: jobauth.Unavailable}
}
