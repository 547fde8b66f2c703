package schedules_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
)

type page struct {
	Schedules  []schedule
	NextCursor *string
}

func (w world) page(query url.Values) (p page) {
	w.t.Helper()
	w.send(list.WithQuery(query)).Must(http.StatusOK).Decode(&p)
	return p
}

// walk are the ids of all schedules that are listed, page by page.
func (w world) walk(limit int, between func()) []string {
	w.t.Helper()
	return functest.Walk(w.t, limit, func(query url.Values) (ids []string, next *string) {
		p := w.page(query)
		for _, s := range p.Schedules {
			ids = append(ids, s.ID)
		}
		return ids, p.NextCursor
	}, between)
}

// bindAll binds schedules of these ids.
func (w world) bindAll(ids ...string) {
	w.t.Helper()
	for _, id := range ids {
		w.Bind(functest.Jane, id, apikey.KeyID{})
	}
}

func TestUserWithoutSchedulesHasAnEmptyList(t *testing.T) {
	w := world{functest.New(t), t}
	w.Bind(colleague, "theirs", apikey.KeyID{})
	w.send(list).Is(http.StatusOK, `{"schedules": [], "nextCursor": null}`)
}

// In the order of bytes: ids that begin alike, and every kind of character.
func TestSchedulesAreListedInTheOrderOfTheirIDs(t *testing.T) {
	w := newWorld(t)
	ids := []string{"-", "-a", "...", ".a", "0", "00", "1", "10", "2", "A", "Z", "_", "a", "a-", "a.b", "a0", "aa", "b", "z", "zz", strings.Repeat("z", 128)}
	shuffled := slices.Clone(ids)
	slices.Reverse(shuffled)
	w.bindAll(shuffled...)
	w.Run(functest.Jane, w.active(), "run-1", 1)
	for limit := 1; limit <= len(ids)+1; limit++ {
		if diff := cmp.Diff(ids, w.walk(limit, func() {})); diff != "" {
			t.Errorf("pages of %d: want (-) and listed (+): %s", limit, diff)
		}
	}
}

func TestPageHas50SchedulesUnlessAskedOtherwise(t *testing.T) {
	w := newWorld(t)
	w.bindMany(101)
	for limit, want := range map[string]int{"": 50, "1": 1, "100": 100} {
		query := url.Values{}
		if limit != "" {
			query.Set("limit", limit)
		}
		if p := w.page(query); len(p.Schedules) != want || p.NextCursor == nil {
			t.Errorf("limit %q: %d schedules of 101", limit, len(p.Schedules))
		}
	}
}

// What is listed already moves no page; what is bound or unbound ahead of it is
// listed, or not, as it is then.
func TestChangesBetweenPagesDisturbNoPage(t *testing.T) {
	w := newWorld(t)
	w.bindAll("b", "d", "f", "h")
	steps := []func(){
		func() { w.Unbind(functest.Jane, "d"); w.bindAll("a", "e", "i") }, // after b, d
		func() { w.Unbind(functest.Jane, "f"); w.bindAll("c", "d") },      // after e, f
		func() { t.Error("a third page") },
	}
	got := w.walk(2, func() { steps[0](); steps = steps[1:] })
	if diff := cmp.Diff([]string{"b", "d", "e", "f", "h", "i"}, got); diff != "" {
		t.Errorf("want (-) and listed (+): %s", diff)
	}
}

func TestCursorThatThisListingDidNotAnswerIsRefused(t *testing.T) {
	w := newWorld(t)
	w.bindAll("a", "b", "c")
	w.Bind(colleague, "a", apikey.KeyID{})
	good := *w.page(url.Values{"limit": {"1"}}).NextCursor
	for name, test := range map[string]struct {
		query url.Values
		field string
	}{
		"another user's":      {url.Values{"cursor": {w.ForgedCursor(w.asColleague(list), "schedules", "a")}}, "cursor"},
		"of the history":      {url.Values{"cursor": {w.ForgedCursor(list, "history", "a")}}, "cursor"},
		"cut off":             {url.Values{"cursor": {good[:len(good)-1]}}, "cursor"},
		"empty":               {url.Values{"cursor": {""}}, "cursor"},
		"malformed":           {url.Values{"cursor": {"!"}}, "cursor"},
		"two":                 {url.Values{"cursor": {good, w.ForgedCursor(list, "schedules", "b")}}, "cursor"},
		"limit below":         {url.Values{"limit": {"0"}}, "limit"},
		"limit above":         {url.Values{"limit": {"101"}}, "limit"},
		"limit is a word":     {url.Values{"limit": {"all"}}, "limit"},
		"limit is a fraction": {url.Values{"limit": {"1.0"}}, "limit"},
		"unknown parameter":   {url.Values{"state": {"ready"}}, "state"},
	} {
		t.Run(name, func(t *testing.T) {
			world{w.World, t}.invalid(list.WithQuery(test.query), test.field)
		})
	}
	// A position that no schedule can have; the sort key must not get another meaning.
	for _, position := range []string{" ", "~", "a/b", "a ", "a#", "\x00", "é", "#", "../RING", strings.Repeat("x", 129)} {
		w.invalid(list.WithQuery(url.Values{"cursor": {w.ForgedCursor(list, "schedules", position)}}), "cursor")
	}
	// One that a schedule could have, but none has, is a place in the listing.
	for position, want := range map[string]int{"-": 3, "a": 2, "aa": 2, "b": 1, "RING": 3, "z": 0} {
		if p := w.page(url.Values{"cursor": {w.ForgedCursor(list, "schedules", position)}}); len(p.Schedules) != want {
			t.Errorf("after %s: %+v", position, p.Schedules)
		}
	}
}

// DynamoDB ends a page of its own at 1 MB, in the middle of ours.
func TestListingGoesOnWhereDynamoDBEndsAPage(t *testing.T) {
	w := newWorld(t)
	w.bindAll("a", "b", "c", "d", "e")
	w.Table.SetPageBytes(1)
	if diff := cmp.Diff([]string{"a", "b", "c", "d", "e"}, w.walk(2, func() {})); diff != "" {
		t.Error(diff)
	}
}

// Schedules are read before the ring: one that is bound or rotated in between is
// shown in a state that was true.
func TestListedStateIsNotOlderThanTheBinding(t *testing.T) {
	w := newWorld(t)
	w.Table.Transport.SetFault(during(1, "Query", func() {
		w.Rotate(functest.Jane)
		w.Bind(functest.Jane, "nightly", w.active())
	}))
	if p := w.page(nil); len(p.Schedules) != 1 || p.Schedules[0].State != apikey.ScheduleReady {
		t.Errorf("listed %+v", p.Schedules)
	}
}
