package proof

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/anishathalye/porcupine"

	"github.com/userapikey/service/functions/servicetest"
	"github.com/userapikey/service/shared/apikey"
)

// request is one request of a history.
type request struct {
	kind string
	// id is the gateway's id of the request, idempotencyKey the client's key.
	id, idempotencyKey string
	// keyID is the key that is to be deleted, or whose credential is presented.
	keyID, credential string
	// name is the schedule's, or the run's.
	name string
	// since is the highest revision that was known when the request was made.
	since int64
}

// outcome is what is known of a request.
type outcome struct {
	servicetest.Answer
	// lost tells that no answer came, or one that leaves open what was made.
	lost bool
	// made is the change that the owner's history has of the request.
	made *apikey.Event
}

// state is what the product page says of an owner's keys. Lists are texts, so
// that states can be compared.
type state struct {
	revision int64
	active   string
	// phasedOut and deleted are ids, newest first, each with a blank behind it.
	phasedOut, deleted string
	// finished are the idempotency keys that have been used: "key=kind id revision\n".
	finished string
	// issued counts the keys that were made.
	issued int
	// schedules and runs are what is bound and what is running.
	schedules, runs string
	// policy tells the rotation policies apart; suspended is whether the user was
	// off-boarded.
	policy    string
	suspended bool
}

// model is the product page, as porcupine takes it.
var model = porcupine.Model{
	Init: func() any { return state{} },
	Step: func(s, in, out any) (bool, any) { return s.(state).step(in.(request), out.(outcome)) },
	DescribeOperation: func(in, out any) string {
		return fmt.Sprintf("%+v → %s", in, out.(outcome).describe())
	},
	DescribeState: func(s any) string { return fmt.Sprintf("%+v", s) },
}

func (o outcome) describe() string {
	if o.lost {
		return fmt.Sprintf("no answer; made %+v", o.made)
	}
	return fmt.Sprintf("%d %s", o.Status, o.Text)
}

// step tells whether the outcome is right in the state, and the state after it.
func (s state) step(r request, o outcome) (bool, state) {
	switch r.kind {
	case "record run", "end run", "read run", "lost write of a run":
		return s.stepRun(r, o)
	}
	if o.lost && o.made == nil || o.Code == string(apikey.CodeConflict) {
		return true, s // nothing was made, whatever the state
	}
	switch r.kind {
	case "create", "rotate":
		return s.issue(r, o)
	case "delete one":
		return s.deleteOne(r, o)
	case "delete all":
		return s.deleteAll(o)
	case "view":
		return o.Revision == s.revision && o.Suspended == s.suspended && idOf(o.Active) == s.active && list(o.PhasedOut) == s.phasedOut, s
	case "decide by owner":
		return s.isDecided(o, s.active, "no_active_key"), s
	case "decide by schedule":
		return s.isDecidedBySchedule(r, o), s
	case "renew run":
		return s.isRenewed(o), s
	case "bind":
		return s.bind(r, o)
	case "unbind":
		return s.unbind(r, o)
	case "rebind":
		return s.rebind(r, o)
	case "set policy":
		return s.setPolicy(r, o)
	case "off board":
		return s.offBoard(o)
	case "reinstate":
		return s.reinstate(o)
	default:
		return s.isDecided(o, r.keyID, s.reasonAgainst(r.keyID)), s
	}
}

func (s state) issue(r request, o outcome) (bool, state) {
	if kind, keyID, revision, used := s.use(r.idempotencyKey); used {
		if kind != r.kind {
			return o.refused(apikey.CodeIdempotencyKeyReused), s
		}
		return o.Status == http.StatusCreated && o.Key.ID == keyID && o.Revision == revision && (o.Credential != "") == (s.active == keyID), s
	}
	switch {
	case r.kind == "create" && s.suspended:
		return o.refused(apikey.CodeOwnerSuspended), s
	case r.kind == "create" && s.active != "":
		return o.refused(apikey.CodeActiveKeyExists), s
	case r.kind == "rotate" && s.active == "":
		return o.refused(apikey.CodeNoActiveKey), s
	case s.issued == apikey.AllowanceSize:
		return o.refused(apikey.CodeRotationRateExceeded), s
	}
	next := s
	next.revision++
	next.issued++
	made := o.changed()
	stops := 0
	if r.kind == "rotate" {
		stops = len(s.pinnedTo(s.active))
		next.phasedOut = s.active + " " + s.phasedOut
	}
	next.active = made.newKey
	next.finished += fmt.Sprintf("%s=%s %s %d\n", r.idempotencyKey, r.kind, made.newKey, next.revision)
	isNew := made.newKey != "" && !strings.Contains(s.active+" "+s.phasedOut+s.deleted, made.newKey)
	return made.revision == next.revision && isNew && (o.lost || o.Credential != "" && o.Rotated.ID == s.active && o.Affected.ScheduleCount == stops), next
}

func (s state) deleteOne(r request, o outcome) (bool, state) {
	switch {
	case r.keyID == s.active:
		return o.refused(apikey.CodeKeyActive), s
	case !strings.Contains(s.phasedOut, r.keyID+" "):
		return o.refused(apikey.CodeKeyNotFound), s
	}
	next := s
	next.revision++
	next.phasedOut = strings.Replace(s.phasedOut, r.keyID+" ", "", 1)
	next.deleted = r.keyID + " " + s.deleted
	return o.changed() == changed{revision: next.revision}, next
}

func (s state) deleteAll(o outcome) (bool, state) {
	if s.active == "" && s.phasedOut == "" {
		return o.Status == http.StatusOK && o.Revision == s.revision && len(o.Deleted) == 0, s
	}
	next := s.withoutKeys()
	next.revision++
	return o.changed() == changed{revision: next.revision}, next
}

// withoutKeys is the state with every key deleted.
func (s state) withoutKeys() state {
	s.deleted = s.phasedOut + s.deleted
	if s.active != "" {
		s.deleted = s.active + " " + s.deleted
	}
	s.active, s.phasedOut = "", ""
	return s
}

// reasonAgainst is the reason for which a key that is not Active is refused.
func (s state) reasonAgainst(keyID string) string {
	switch {
	case strings.Contains(s.phasedOut, keyID+" "):
		return "key_phased_out"
	case strings.Contains(s.deleted, keyID+" "):
		return "key_deleted"
	}
	return "key_unknown"
}

// isDecided tells whether a decision about the key is right.
func (s state) isDecided(o outcome, keyID, reasonAgainst string) bool {
	if keyID != "" && keyID == s.active {
		return o.Status == http.StatusOK && o.Allowed && o.Reason == "key_active" && o.Key.ID == keyID
	}
	return o.Status == http.StatusOK && !o.Allowed && o.Reason == reasonAgainst
}

// use finds what an idempotency key was used for.
func (s state) use(idempotencyKey string) (kind, keyID string, revision int64, used bool) {
	for line := range strings.Lines(s.finished) {
		if rest, found := strings.CutPrefix(line, idempotencyKey+"="); found && idempotencyKey != "" {
			_, err := fmt.Sscan(rest, &kind, &keyID, &revision)
			return kind, keyID, revision, err == nil
		}
	}
	return "", "", 0, false
}

// changed is what a request is known to have changed.
type changed struct {
	revision int64
	newKey   string
}

func (o outcome) changed() changed {
	switch {
	case !o.lost && o.Revision > 0:
		return changed{o.Revision, o.Key.ID}
	case o.made != nil && (o.made.Type == apikey.EventCreated || o.made.Type == apikey.EventRotated):
		return changed{o.made.Revision, o.made.Keys[0].ID.String()}
	case o.made != nil:
		return changed{revision: o.made.Revision}
	}
	return changed{}
}

func (o outcome) refused(code apikey.Code) bool { return !o.lost && o.Code == string(code) }

func idOf(key *servicetest.Key) string {
	if key == nil {
		return ""
	}
	return key.ID
}

func list(keys []servicetest.Key) string {
	var ids strings.Builder
	for _, key := range keys {
		ids.WriteString(key.ID + " ")
	}
	return ids.String()
}
