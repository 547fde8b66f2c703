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
	Binding     *apikey.Binding `json:"binding"`
	KeyID       *string         `json:"keyId"`
	Credential  *string         `json:"credential"`
	JobID       string          `json:"jobId"`
	JobType     jobauth.JobType `json:"jobType"`
	Service     string          `json:"service"`
	Description string          `json:"description"`
}

// binding is a binding of the right form. The key that it names is looked for in
// the ring.
type binding struct {
	schedule apikey.Schedule
	// credential is what names the key; the zero value when nothing does, or an id.
	credential apikey.Credential
}

// binding checks the form. Errors: invalid_request.
func (b bindingBody) binding(id string) (binding, error) {
	if err := apikey.CheckText("scheduleId", id); err != nil {
		return binding{}, err
	}
	if !apikey.IsScheduleID(id) {
		return binding{}, apikey.Invalid("scheduleId", "must have 1 to 128 letters, digits, dots, underscores and hyphens, and more than one or two dots")
	}
	wanted := binding{schedule: apikey.Schedule{
		ID: id, Binding: apikey.FollowActive, JobID: b.JobID, JobType: string(b.JobType), Service: b.Service, Description: b.Description,
	}}
	if b.Binding != nil {
		wanted.schedule.Binding = *b.Binding
	}
	if !slices.Contains(apikey.Bindings, wanted.schedule.Binding) {
		return binding{}, apikey.Invalid("binding", "must be follow_active or pinned")
	}
	if err := b.checkNotes(); err != nil {
		return binding{}, err
	}
	return b.named(wanted)
}

// named adds the key that the schedule is to be pinned to.
func (b bindingBody) named(wanted binding) (binding, error) {
	var err error
	switch {
	case wanted.schedule.Binding == apikey.FollowActive:
		if b.KeyID != nil || b.Credential != nil {
			return binding{}, apikey.Invalid("binding", "follow_active names no key: leave keyId and credential out, or pin the schedule")
		}
	case (b.KeyID == nil) == (b.Credential == nil):
		return binding{}, apikey.Invalid("keyId", "or credential must name the key that the schedule is pinned to, and one of them only")
	case b.KeyID != nil:
		if wanted.schedule.KeyID, err = apikey.ParseUUID(*b.KeyID); err != nil {
			return binding{}, apikey.Invalid("keyId", "must be a key's id")
		}
	default:
		if wanted.credential, err = apikey.ParseCredential(*b.Credential); err != nil {
			return binding{}, apikey.Invalid("credential", "is not a credential: mistyped or cut off")
		}
		wanted.schedule.KeyID = wanted.credential.KeyID()
	}
	return wanted, nil
}

// check tells whether the credential, if there is one, is a key's of the ring.
// Another owner's and a wrong one are the same refusal. Errors: key_not_found.
func (b binding) check(ring apikey.Ring) error {
	if b.credential.IsZero() || b.credential.Locator() == ring.Owner.Locator() && ring.Proves(b.credential) {
		return nil
	}
	return apikey.KeyNotFound()
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
		if len(note.text) > maxNoteBytes {
			return apikey.Invalid(note.field, fmt.Sprintf("is longer than %d bytes", maxNoteBytes))
		}
		if err := apikey.CheckText(note.field, note.text); err != nil {
			return err
		}
	}
	return nil
}
