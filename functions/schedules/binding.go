package schedules

import (
	"fmt"
	"slices"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/jobauth"
)

// maxNoteBytes bounds what is noted of a schedule for people: an event may list a
// hundred schedules.
const maxNoteBytes = 256

// bindingBody is what a schedule is to be bound to, and what people want to know
// of it.
type bindingBody struct {
	Binding     apikey.Binding  `json:"binding"`
	KeyID       *string         `json:"keyId"`
	Credential  *string         `json:"credential"`
	JobID       string          `json:"jobId"`
	JobType     jobauth.JobType `json:"jobType"`
	Service     string          `json:"service"`
	Description string          `json:"description"`
}

// binding is a binding of the right form. The key that it names is looked for
// in the ring.
type binding struct {
	schedule   apikey.Schedule
	credential apikey.Credential
}

// binding checks the form. Errors: invalid_request, key_not_found.
func (b bindingBody) binding(id string, owner apikey.Owner) (binding, error) {
	if !apikey.IsScheduleID(id) {
		return binding{}, apikey.Invalid("scheduleId", "must have 1 to 128 letters, digits, dots, underscores and hyphens")
	}
	if b.Binding == "" {
		b.Binding = apikey.FollowActive
	}
	if !slices.Contains(apikey.Bindings, b.Binding) {
		return binding{}, apikey.Invalid("binding", "must be follow_active or pinned")
	}
	if err := b.checkNotes(); err != nil {
		return binding{}, err
	}
	wanted := binding{schedule: apikey.Schedule{
		ID: id, Binding: b.Binding, JobID: b.JobID, JobType: string(b.JobType), Service: b.Service, Description: b.Description,
	}}
	switch {
	case b.Binding == apikey.FollowActive && (b.KeyID != nil || b.Credential != nil):
		return binding{}, apikey.Invalid("binding", "follow_active names no key: leave keyId and credential out, or pin the schedule")
	case b.Binding == apikey.FollowActive:
		return wanted, nil
	case (b.KeyID == nil) == (b.Credential == nil):
		return binding{}, apikey.Invalid("keyId", "or credential must name the key that the schedule is pinned to, and one of them only")
	case b.KeyID != nil:
		return wanted.toKey(*b.KeyID)
	default:
		return wanted.toCredential(*b.Credential, owner)
	}
}

func (b binding) toKey(text string) (binding, error) {
	id, err := apikey.ParseUUID(text)
	if err != nil {
		return binding{}, apikey.Invalid("keyId", "must be a key's id")
	}
	b.schedule.KeyID = id
	return b, nil
}

func (b binding) toCredential(text string, owner apikey.Owner) (binding, error) {
	credential, err := apikey.ParseCredential(text)
	switch {
	case err != nil:
		return binding{}, apikey.Invalid("credential", "is not a credential: mistyped or cut off")
	case credential.Locator() != owner.Locator():
		return binding{}, apikey.KeyNotFound()
	}
	b.credential, b.schedule.KeyID = credential, credential.KeyID()
	return b, nil
}

// in is the schedule as it is to be bound in the ring. A credential must prove
// to be the key's own. Errors: key_not_found.
func (b binding) in(ring apikey.Ring) (apikey.Schedule, error) {
	if !b.credential.IsZero() && !ring.Proves(b.credential) {
		return apikey.Schedule{}, apikey.KeyNotFound()
	}
	return b.schedule, nil
}

func (b bindingBody) checkNotes() error {
	if b.JobType != "" {
		if err := jobauth.CheckJobType(b.JobType); err != nil {
			return err
		}
	}
	if b.JobType != "" || b.Service != "" {
		if err := jobauth.CheckService(b.JobType, b.Service); err != nil {
			return err
		}
	}
	for _, note := range []struct{ field, text string }{{"jobId", b.JobID}, {"description", b.Description}} {
		switch {
		case len(note.text) > maxNoteBytes:
			return apikey.Invalid(note.field, fmt.Sprintf("is longer than %d bytes", maxNoteBytes))
		case !apikey.Printable(note.text):
			return apikey.Invalid(note.field, "contains a character that cannot be printed")
		}
	}
	return nil
}
