package notices

import (
	"fmt"

	"github.com/userapikey/service/shared/apikey"
)

// summaryOf is what happened to keys, in a sentence for people; "" of what concerns
// schedules and policies only. It names people by their ids: no text that users
// choose is in it.
func summaryOf(e apikey.Event) string {
	user := fmt.Sprintf("user %s of account %s", e.Owner.IAMID, e.Owner.AccountID)
	at := apikey.Instant(e.OccurredAt).String()
	done := fmt.Sprintf("at %s by %s %s", at, e.Actor.Kind, e.Actor.ID)
	first, second := keyAt(e, 0), keyAt(e, 1)
	schedules, runs := e.AffectedSchedules.Count, e.AffectedRuns
	switch e.Type {
	case apikey.EventCreated:
		return fmt.Sprintf("A user API key was created for %s, %s: %s.", user, done, first.Name)
	case apikey.EventRotated:
		return fmt.Sprintf("The user API key of %s was rotated, %s. Active now: %s. "+
			"Phased out, and good for no more than what runs already: %s. "+
			"Job schedules pinned to the old key, refused until they are bound again: %d.", user, done, first.Name, second.Name, schedules)
	case apikey.EventPhasedOut:
		return fmt.Sprintf("The user API key of %s was phased out without another in its place, at %s, "+
			"because the key store was restored and does not know the current one: %s. The user has to create one. "+
			"Job schedules that are refused from now on: %d.", user, at, first.Name, schedules)
	case apikey.EventDeleted:
		return fmt.Sprintf("A Phased out user API key of %s was deleted, %s: %s. "+
			"Job schedules pinned to it, refused until they are bound again: %d. "+
			"Running operations under it, which end at their next renewal: %d.", user, done, first.Name, schedules, runs)
	case apikey.EventAllDeleted:
		return fmt.Sprintf("All user API keys of %s were deleted, %s. "+
			"Job schedules that are refused from now on: %d. "+
			"Running operations, which end at their next renewal: %d.", user, done, schedules, runs)
	case apikey.EventOwnerSuspended:
		return fmt.Sprintf("The %s was off-boarded, %s: all user API keys are deleted, and none can be created before the user "+
			"is reinstated. Job schedules that are refused from now on: %d. "+
			"Running operations, which end at their next renewal: %d.", user, done, schedules, runs)
	case apikey.EventOwnerReinstated:
		return fmt.Sprintf("The %s was reinstated, %s, and can create a user API key again.", user, done)
	case apikey.EventRotationDue:
		return fmt.Sprintf("The user API key of %s will be rotated by the clock at %s: %s. "+
			"Job schedules pinned to it will be refused then, unless they are bound to follow the Active key before.",
			user, apikey.Instant(e.DueAt), first.Name)
	case apikey.EventRotationFailed:
		return fmt.Sprintf("The user API key of %s is due and could not be rotated, at %s: %s. The reason is %s. "+
			"The key stays Active, and the clock tries again.", user, at, first.Name, e.Reason)
	case apikey.EventUseRefused:
		return fmt.Sprintf("A user API key of %s that is good for no job any more was presented by %s %s and refused, at %s: %s, key %s. "+
			"Whoever presented it needs the Active key.", user, e.Actor.Kind, e.Actor.ID, at, e.Reason, first.ID)
	case apikey.EventPolicyChanged, apikey.EventScheduleBound, apikey.EventScheduleUnbound:
	}
	return ""
}

// keyAt is the event's key in that place. A damaged event may have none there: it
// must not keep those behind it from being announced.
func keyAt(e apikey.Event, i int) apikey.Key {
	if i >= len(e.Keys) {
		return apikey.Key{}
	}
	return e.Keys[i]
}
