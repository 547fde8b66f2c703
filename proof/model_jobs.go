package proof

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/userapikey/service/shared/apikey"
)

// A schedule's bindings are kept in the state one after the other, as lines
// "id revision binding key\n"; a binding of "none" is an unbound schedule. A run's
// key is kept as a line "id key\n"; a key of "?" is one that nobody can know,
// because an answer was lost.

// binding is one line of state.schedules.
type binding struct {
	id       string
	revision int64
	kind     string // follow_active, pinned or none
	keyID    string // of a pinned one, else "-"
}

func (b binding) String() string {
	return fmt.Sprintf("%s %d %s %s\n", b.id, b.revision, b.kind, b.keyID)
}

func (s state) bindings() (all []binding) {
	for line := range strings.Lines(s.schedules) {
		var b binding
		if _, err := fmt.Sscan(line, &b.id, &b.revision, &b.kind, &b.keyID); err == nil {
			all = append(all, b)
		}
	}
	return all
}

// bound is how a schedule is bound now.
func (s state) bound(id string) binding {
	last := binding{id: id, kind: "none", keyID: "-"}
	for _, b := range s.bindings() {
		if b.id == id {
			last = b
		}
	}
	return last
}

// pinnedTo are the schedules that are pinned to the key now.
func (s state) pinnedTo(keyID string) (ids []string) {
	for _, b := range s.bindings() {
		if now := s.bound(b.id); now.kind == "pinned" && now.keyID == keyID && !slices.Contains(ids, b.id) {
			ids = append(ids, b.id)
		}
	}
	return ids
}

func (s state) bind(r request, o outcome) (bool, state) {
	before := s.bound(r.name)
	wanted := binding{id: r.name, kind: "follow_active", keyID: "-"}
	if r.keyID != "" {
		wanted.kind, wanted.keyID = "pinned", r.keyID
	}
	switch {
	case before.kind == wanted.kind && before.keyID == wanted.keyID:
		return o.Status == http.StatusOK && o.ETag == etag(s.revision), s
	case wanted.kind == "pinned" && r.keyID != s.active:
		return o.refused(apikey.CodeKeyNotActive), s
	}
	next := s
	next.revision++
	wanted.revision = next.revision
	next.schedules += wanted.String()
	isNew := before.kind == "none"
	return o.changed().revision == next.revision && (o.lost || isNew == (o.Status == http.StatusCreated)), next
}

func etag(revision int64) string { return fmt.Sprintf("%q", fmt.Sprint(revision)) }

func (s state) unbind(r request, o outcome) (bool, state) {
	if s.bound(r.name).kind == "none" {
		return o.refused(apikey.CodeScheduleNotFound), s
	}
	next := s
	next.revision++
	next.schedules += binding{r.name, next.revision, "none", "-"}.String()
	return o.changed().revision == next.revision, next
}

func (s state) rebind(r request, o outcome) (bool, state) {
	pinned := s.pinnedTo(r.keyID)
	switch {
	case r.keyID == s.active:
		return o.Status == http.StatusOK && o.Rebound == 0, s
	case len(pinned) == 0 && o.Status == http.StatusOK:
		return o.Rebound == 0, s
	case s.active == "":
		return o.refused(apikey.CodeNoActiveKey), s
	}
	next := s
	next.revision++
	for _, id := range pinned {
		next.schedules += binding{id, next.revision, "pinned", s.active}.String()
	}
	return o.changed().revision == next.revision && (o.lost || o.Rebound == len(pinned)), next
}

// isDecidedBySchedule tells whether a decision by a schedule is right. Ring and
// schedule are read in one call that is no snapshot, so the binding may be any
// that held since the question was asked.
func (s state) isDecidedBySchedule(r request, o outcome) bool {
	all := slices.DeleteFunc(s.bindings(), func(b binding) bool { return b.id != r.name })
	all = append([]binding{{id: r.name, kind: "none"}}, all...)
	for i, b := range all {
		if i+1 < len(all) && all[i+1].revision <= r.since {
			continue // over before the question was asked
		}
		if s.isDecidedByBinding(b, o) {
			return true
		}
	}
	return false
}

func (s state) isDecidedByBinding(b binding, o outcome) bool {
	switch b.kind {
	case "none":
		return s.isDecided(o, "", "schedule_unknown")
	case "follow_active":
		return s.isDecided(o, s.active, "no_active_key")
	}
	return s.isDecided(o, b.keyID, "schedule_"+s.reasonAgainst(b.keyID))
}

// runKey is the key of a run that is on record, "" when none is, "?" when it
// cannot be known.
func (s state) runKey(id string) (keyID string) {
	for line := range strings.Lines(s.runs) {
		if rest, found := strings.CutPrefix(line, id+" "); found {
			keyID = strings.TrimSpace(rest)
		}
	}
	return keyID
}

func (s state) withRun(id, keyID string) state {
	var runs strings.Builder
	for line := range strings.Lines(s.runs) {
		if !strings.HasPrefix(line, id+" ") {
			runs.WriteString(line)
		}
	}
	if keyID != "" {
		fmt.Fprintln(&runs, id, keyID)
	}
	s.runs = runs.String()
	return s
}

// stepRun is a step of the record of runs: a request that decides and one that
// records, or reads, are two steps, because they are two calls.
func (s state) stepRun(r request, o outcome) (bool, state) {
	known := s.runKey(r.name)
	switch {
	case o.lost:
		return true, s.withRun(r.name, "?")
	case r.kind == "record run" && o.Allowed:
		return true, s.withRun(r.name, o.Key.ID)
	case r.kind == "record run":
		return true, s
	case r.kind == "end run" && o.Status == http.StatusNoContent:
		// Also of a run that is not there, once an answer was lost on the way: it may
		// have been ended by the call that was lost.
		return true, s.withRun(r.name, "")
	case o.Status == http.StatusNotFound:
		return known == "" || known == "?", s.withRun(r.name, "")
	}
	return known == "?" || known == o.Key.ID, s // a renewal
}

// isRenewed tells whether a renewal's answer is right for its key.
func (s state) isRenewed(o outcome) bool {
	if o.Status == http.StatusNotFound {
		return true // nothing was said of a key
	}
	if o.Key.ID == s.active {
		return o.Allowed && o.Reason == "key_active"
	}
	reason := s.reasonAgainst(o.Key.ID)
	return o.Reason == reason && o.Allowed == (reason == "key_phased_out")
}
