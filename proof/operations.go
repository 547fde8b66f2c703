package proof

import (
	"net/http"
	"slices"

	"github.com/userapikey/service/functions/servicetest"
)

// operation is one thing that the product does, as its caller asks for it.
type operation struct {
	name string
	// given brings the owner's keys to the state before.
	given func(*scene)
	// ask makes the request; asked again, it is the same request made again.
	ask func(*scene) servicetest.Answer
	// status is what it answers when nothing fails.
	status int
	// right tells whether an answer with that status says what it should; nil is
	// anything.
	right func(*scene, servicetest.Answer) bool
	// rightInTrouble is right for an answer that met a fault; nil is the same.
	rightInTrouble func(*scene, servicetest.Answer) bool
	// changes is how many revisions it adds.
	changes int64
	// issues tells that the answer holds a key and its credential, the same ones
	// each time.
	issues bool
	// again is the status of the same request after it has taken effect; zero is
	// the same.
	again int
	// againAlways is the status of the same request once it has taken effect in
	// something else than keys; zero is the same.
	againAlways int
}

func operations() []operation {
	return slices.Concat(keyOperations(), scheduleOperations(), jobOperations(), policyOperations(), accountOperations())
}

const key = "key-1"

func keyOperations() []operation {
	return []operation{
		{
			name: "create", given: func(*scene) {}, status: http.StatusCreated, changes: 1, issues: true,
			ask: func(s *scene) servicetest.Answer { return s.create(key) },
		},
		{
			name: "rotate", given: (*scene).hasKey, status: http.StatusCreated, changes: 1, issues: true,
			ask: func(s *scene) servicetest.Answer { return s.rotate(key) },
		},
		{
			name: "replay of a create", status: http.StatusCreated, issues: true,
			given: func(s *scene) { s.issue(s.create(key)) },
			ask:   func(s *scene) servicetest.Answer { return s.create(key) },
		},
		{
			name: "replay of a rotation", status: http.StatusCreated, issues: true,
			given: func(s *scene) { s.hasKey(); s.issue(s.rotate(key)) },
			ask:   func(s *scene) servicetest.Answer { return s.rotate(key) },
		},
		{
			name: "delete one", given: (*scene).hasRotated, status: http.StatusOK, changes: 1, again: http.StatusNotFound,
			ask: func(s *scene) servicetest.Answer { return s.deleteOne(s.issued[0].Key.ID) },
			right: func(s *scene, a servicetest.Answer) bool {
				return len(a.Deleted) == 1 && a.Deleted[0].ID == s.issued[0].Key.ID
			},
		},
		{
			name: "delete all", given: (*scene).hasRotated, status: http.StatusOK, changes: 1,
			ask: (*scene).deleteAll,
			// None when the first time took effect.
			right: func(_ *scene, a servicetest.Answer) bool { return len(a.Deleted) == 2 || len(a.Deleted) == 0 },
		},
		{
			name: "view", given: (*scene).hasRotated, status: http.StatusOK,
			ask: (*scene).view,
			right: func(s *scene, a servicetest.Answer) bool {
				return a.Active != nil && a.Active.ID == s.issued[1].Key.ID && len(a.PhasedOut) == 1 && a.PhasedOut[0].ID == s.issued[0].Key.ID
			},
		},
		{
			name: "history", given: (*scene).hasRotated, status: http.StatusOK,
			ask:   func(s *scene) servicetest.Answer { return s.send("GET", "/v1/user-api-keys/history", "") },
			right: func(_ *scene, a servicetest.Answer) bool { return len(a.Changes) == 2 && a.Changes[0].Revision == 2 },
		},
	}
}
