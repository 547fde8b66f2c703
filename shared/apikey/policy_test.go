package apikey_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
)

const oneDay = 24 * time.Hour

func days(n int) time.Duration { return time.Duration(n) * oneDay }

func TestAPolicyIsValidWithinItsBounds(t *testing.T) {
	type policy = apikey.RotationPolicy
	for name, c := range map[string]struct {
		policy policy
		field  string // that is wrong; "" is none
	}{
		"off":                                {policy{}, ""},
		"shortest age":                       {policy{MaxAgeDays: 1}, ""},
		"longest age":                        {policy{MaxAgeDays: 3650}, ""},
		"age too long":                       {policy{MaxAgeDays: 3651}, "maxAgeDays"},
		"negative age":                       {policy{MaxAgeDays: -1}, "maxAgeDays"},
		"shortest notice":                    {policy{MaxAgeDays: 2, NoticeDays: 1}, ""},
		"longest notice":                     {policy{MaxAgeDays: 3650, NoticeDays: 3649}, ""},
		"notice as long as the age":          {policy{MaxAgeDays: 30, NoticeDays: 30}, "noticeDays"},
		"notice longer than the age":         {policy{MaxAgeDays: 30, NoticeDays: 31}, "noticeDays"},
		"no room for a notice":               {policy{MaxAgeDays: 1, NoticeDays: 1}, "noticeDays"},
		"negative notice":                    {policy{MaxAgeDays: 30, NoticeDays: -1}, "noticeDays"},
		"notice of nothing":                  {policy{NoticeDays: 1}, "noticeDays"},
		"notice of nothing, but deletions":   {policy{NoticeDays: 1, DeletePhasedOutAfterDays: 30}, "noticeDays"},
		"shortest time until deletion":       {policy{DeletePhasedOutAfterDays: 1}, ""},
		"longest time until deletion":        {policy{DeletePhasedOutAfterDays: 3650}, ""},
		"too long a time until deletion":     {policy{DeletePhasedOutAfterDays: 3651}, "deletePhasedOutAfterDays"},
		"negative time until deletion":       {policy{MaxAgeDays: 90, DeletePhasedOutAfterDays: -1}, "deletePhasedOutAfterDays"},
		"deletion sooner than any rotation":  {policy{MaxAgeDays: 90, NoticeDays: 14, DeletePhasedOutAfterDays: 1}, ""},
		"all of them":                        {policy{MaxAgeDays: 90, NoticeDays: 14, DeletePhasedOutAfterDays: 30}, ""},
		"the age is complained about before": {policy{MaxAgeDays: 3651, NoticeDays: 3651}, "maxAgeDays"},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.policy.Validate()
			if c.field == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			refusal, ok := errors.AsType[*apikey.Error](err)
			if !ok || refusal.Code != apikey.CodeInvalidRequest || refusal.Field != c.field {
				t.Errorf("got %v, want invalid_request of %s", err, c.field)
			}
		})
	}
}

func TestOnlyAPolicyWithoutSpansIsOff(t *testing.T) {
	for policy, off := range map[apikey.RotationPolicy]bool{
		{}:                            true,
		{MaxAgeDays: 1}:               false,
		{DeletePhasedOutAfterDays: 1}: false,
	} {
		if policy.IsOff() != off {
			t.Errorf("%+v is off: %t", policy, !off)
		}
	}
}

func TestAPolicyOfTheOwnersComesBeforeTheDeployments(t *testing.T) {
	deployment, own := apikey.RotationPolicy{MaxAgeDays: 365}, apikey.RotationPolicy{MaxAgeDays: 30}
	for name, c := range map[string]struct {
		own       *apikey.RotationPolicy
		want      apikey.RotationPolicy
		inherited bool
	}{
		"none of their own":            {nil, deployment, true},
		"of their own":                 {&own, own, false},
		"they want no rotation at all": {&apikey.RotationPolicy{}, apikey.RotationPolicy{}, false},
	} {
		got, inherited := apikey.Ring{Policy: c.own}.PolicyUnder(deployment)
		if got != c.want || inherited != c.inherited {
			t.Errorf("%s: %+v, inherited: %t", name, got, inherited)
		}
	}
}

// clockPolicy has the key 2 of dueRing announced on the 76th day of its life and
// rotated on the 90th, and the key 1 deleted 30 days after it was phased out.
var clockPolicy = apikey.RotationPolicy{MaxAgeDays: 90, NoticeDays: 14, DeletePhasedOutAfterDays: 30}

// dueRing has the Active key 2, made a minute after noon, when key 1 was phased out.
func dueRing(t *testing.T) apikey.Ring { return ringOf(t, 2) }

func TestEachThingIsDueFromItsInstantOn(t *testing.T) {
	madeAt := noon.Add(time.Minute)
	rotationAt, first := madeAt.Add(days(90)), []apikey.KeyID{id(1)}
	for name, c := range map[string]struct {
		policy apikey.RotationPolicy
		now    time.Time
		want   apikey.Due
	}{
		"at once":               {clockPolicy, madeAt, apikey.Due{RotationAt: rotationAt}},
		"before the deletion":   {clockPolicy, madeAt.Add(days(30) - 1), apikey.Due{RotationAt: rotationAt}},
		"deletion":              {clockPolicy, madeAt.Add(days(30)), apikey.Due{RotationAt: rotationAt, Deletions: first}},
		"before the notice":     {clockPolicy, madeAt.Add(days(76) - 1), apikey.Due{RotationAt: rotationAt, Deletions: first}},
		"notice":                {clockPolicy, madeAt.Add(days(76)), apikey.Due{Notice: true, RotationAt: rotationAt, Deletions: first}},
		"before the rotation":   {clockPolicy, rotationAt.Add(-1), apikey.Due{Notice: true, RotationAt: rotationAt, Deletions: first}},
		"rotation, not noticed": {clockPolicy, rotationAt, apikey.Due{Rotation: true, RotationAt: rotationAt, Deletions: first}},
		"years late":            {clockPolicy, rotationAt.Add(days(3650)), apikey.Due{Rotation: true, RotationAt: rotationAt, Deletions: first}},
		"a clock that is behind": {
			clockPolicy, noon.Add(-days(3650)), apikey.Due{RotationAt: rotationAt},
		},
		"off":            {apikey.RotationPolicy{}, rotationAt.Add(days(3650)), apikey.Due{}},
		"rotations only": {apikey.RotationPolicy{MaxAgeDays: 90}, rotationAt, apikey.Due{Rotation: true, RotationAt: rotationAt}},
		"without a notice": {
			apikey.RotationPolicy{MaxAgeDays: 90}, rotationAt.Add(-1), apikey.Due{RotationAt: rotationAt},
		},
		"deletions only": {
			apikey.RotationPolicy{DeletePhasedOutAfterDays: 30}, rotationAt.Add(days(3650)), apikey.Due{Deletions: first},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, dueRing(t).DueUnder(c.policy, c.now)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestOnlyPhasedOutKeysWhoseTimeIsOverAreDueForDeletion(t *testing.T) {
	ring := ringOf(t, 1)
	for n := 2; n <= 4; n++ { // phased out a day after one another
		ring, _, _ = ring.Rotate(at(noon.Add(days(n))), material(n))
	}
	policy := apikey.RotationPolicy{DeletePhasedOutAfterDays: 10}
	for day, want := range map[int][]apikey.KeyID{
		11: nil, 12: {id(1)}, 13: {id(1), id(2)}, 14: {id(1), id(2), id(3)}, 400: {id(1), id(2), id(3)},
	} {
		due := ring.DueUnder(policy, noon.Add(days(day)))
		if diff := cmp.Diff(want, due.Deletions); diff != "" {
			t.Errorf("day %d (-want +got):\n%s", day, diff)
		}
	}
}

func TestARingWithoutKeysIsNeverDue(t *testing.T) {
	gone, _ := ringOf(t, 3).DeleteAll(at(later))
	for name, ring := range map[string]apikey.Ring{"never had a key": {Owner: ada}, "all keys deleted": gone} {
		if due := ring.DueUnder(clockPolicy, later.Add(days(36500))); due.Rotation || due.Notice || due.Deletions != nil {
			t.Errorf("%s: %+v", name, due)
		}
		if next, oldest := ring.NextDueAt(clockPolicy), ring.OldestInstant(); !next.IsZero() || !oldest.IsZero() {
			t.Errorf("%s: next due at %v, oldest instant %v", name, next, oldest)
		}
	}
}

func TestTheSoonestAgeIsTheShortestSpanOfThePolicy(t *testing.T) {
	for policy, want := range map[apikey.RotationPolicy]time.Duration{
		{}:                               0,
		{MaxAgeDays: 90}:                 days(90),
		{MaxAgeDays: 90, NoticeDays: 14}: days(76),
		{DeletePhasedOutAfterDays: 30}:   days(30),
		clockPolicy:                      days(30),
		{MaxAgeDays: 20, NoticeDays: 19, DeletePhasedOutAfterDays: 30}: days(1),
	} {
		if got := policy.SoonestAge(); got != want {
			t.Errorf("%+v: %v, want %v", policy, got, want)
		}
	}
}
