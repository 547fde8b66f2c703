package notices

import (
	"bytes"
	"encoding/json"

	"github.com/userapikey/service/shared/apikey"
)

// Version is the version of the payload. A field may be added within a version,
// and none removed or given another meaning; docs/events.md has the rules.
const Version = 1

// Detail is the payload of a notice: what happened to whose keys, by whom.
type Detail struct {
	Metadata Metadata `json:"metadata"`
	Owner    Owner    `json:"owner"`
	// Revision is the ring's: it numbers an owner's changes without a gap. A notice
	// that is no change has the revision of the ring that it is about.
	Revision int64 `json:"revision"`
	// Summary is what happened to keys, in a sentence for people; the rule in
	// template.yaml mails what has one.
	Summary string `json:"summary,omitempty"`
	// Key is the new Active key, or the one that the notice is about, PhasedOut the
	// one that a rotation replaced or a restore phased out, Deleted those that are gone.
	Key       *Key  `json:"key,omitempty"`
	PhasedOut *Key  `json:"phasedOut,omitempty"`
	Deleted   []Key `json:"deleted,omitzero"`
	// Schedules are those that were bound, or unbound.
	Schedules []Schedule `json:"schedules,omitempty"`
	// RotationPolicy is the one that was set.
	RotationPolicy *RotationPolicy `json:"rotationPolicy,omitempty"`
	// DueAt is when the rotation is due.
	DueAt apikey.Instant `json:"dueAt,omitzero"`
	// Reason tells why a rotation failed, a use was refused, or a key did not survive
	// a restore.
	Reason string `json:"reason,omitempty"`
	// Job is what was to run with the key whose use was refused.
	Job *Job `json:"job,omitempty"`
	// AffectedSchedules are the first hundred of the schedules that are hit.
	AffectedSchedules     []Schedule `json:"affectedSchedules"`
	AffectedScheduleCount int        `json:"affectedScheduleCount"`
	AffectedRuns          int        `json:"affectedRuns"`
}

// Metadata tells notices apart. ID is the same however often one is delivered.
type Metadata struct {
	ID            string         `json:"id"`
	Version       int            `json:"version"`
	OccurredAt    apikey.Instant `json:"occurredAt"`
	CorrelationID string         `json:"correlationId"`
	Actor         Actor          `json:"actor"`
}

// Actor is who made the change.
type Actor struct {
	Kind apikey.ActorKind `json:"kind"`
	ID   string           `json:"id"`
}

// Owner is whose keys they are.
type Owner struct {
	AccountID string `json:"accountId"`
	IAMID     string `json:"iamId"`
	Username  string `json:"username"`
}

// Key is a key as the change left it, or as it last was. Of a key that was deleted
// before, no more than its id is known.
type Key struct {
	ID          string         `json:"id"`
	Name        string         `json:"name,omitempty"`
	Status      apikey.Status  `json:"status,omitempty"`
	CreatedAt   apikey.Instant `json:"createdAt,omitzero"`
	CreatedBy   *Actor         `json:"createdBy,omitempty"`
	PhasedOutAt apikey.Instant `json:"phasedOutAt,omitzero"`
}

// Schedule is a job schedule's binding.
type Schedule struct {
	ID          string         `json:"id"`
	Binding     apikey.Binding `json:"binding"`
	KeyID       string         `json:"keyId,omitempty"`
	JobID       string         `json:"jobId,omitempty"`
	JobType     string         `json:"jobType,omitempty"`
	Service     string         `json:"service,omitempty"`
	Description string         `json:"description,omitempty"`
}

// Job is a task, as its runner names it.
type Job struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	Service string `json:"service,omitempty"`
}

// RotationPolicy is in days; what is off is left out.
type RotationPolicy struct {
	MaxAgeDays               int `json:"maxAgeDays,omitzero"`
	NoticeDays               int `json:"noticeDays,omitzero"`
	DeletePhasedOutAfterDays int `json:"deletePhasedOutAfterDays,omitzero"`
}

// Encode is the payload of the notice of an event as it is published. Characters
// that are special in HTML stay as they are: escaped, each takes six bytes, and a
// notice of many schedules would not fit into EventBridge.
func Encode(e apikey.Event) ([]byte, error) {
	var detail bytes.Buffer
	encoder := json.NewEncoder(&detail)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(detailOf(e)); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(detail.Bytes(), []byte("\n")), nil
}

// detailOf is the payload of the notice of an event.
func detailOf(e apikey.Event) Detail {
	d := Detail{
		Metadata: Metadata{
			ID: e.ID, Version: Version, OccurredAt: apikey.Instant(e.OccurredAt), CorrelationID: e.CorrelationID, Actor: Actor(e.Actor),
		},
		Owner:                 Owner(e.Owner),
		Revision:              e.Revision,
		Summary:               summaryOf(e),
		Schedules:             schedulesOf(e.Schedules),
		DueAt:                 apikey.Instant(e.DueAt),
		Reason:                e.Reason,
		AffectedSchedules:     schedulesOf(e.AffectedSchedules.First),
		AffectedScheduleCount: e.AffectedSchedules.Count,
		AffectedRuns:          e.AffectedRuns,
	}
	if e.Policy != nil {
		policy := RotationPolicy(*e.Policy)
		d.RotationPolicy = &policy
	}
	if e.Job != (apikey.Job{}) {
		job := Job(e.Job)
		d.Job = &job
	}
	d.addKeys(e)
	return d
}

func (d *Detail) addKeys(e apikey.Event) {
	if e.Type.Deletes() {
		d.Deleted = []Key{}
		for _, key := range e.Keys {
			d.Deleted = append(d.Deleted, keyOf(key))
		}
		return
	}
	for i, key := range e.Keys {
		shown := keyOf(key)
		if i == 0 && e.Type != apikey.EventPhasedOut {
			d.Key = &shown
		} else {
			d.PhasedOut = &shown
		}
	}
}

func keyOf(k apikey.Key) Key {
	shown := Key{ID: k.ID.String(), Name: k.Name, Status: k.Status, CreatedAt: apikey.Instant(k.CreatedAt), PhasedOutAt: apikey.Instant(k.PhasedOutAt)}
	if k.CreatedBy != (apikey.Actor{}) {
		actor := Actor(k.CreatedBy)
		shown.CreatedBy = &actor
	}
	return shown
}

func schedulesOf(schedules []apikey.Schedule) []Schedule {
	shown := make([]Schedule, len(schedules))
	for i, s := range schedules {
		shown[i] = Schedule{
			ID: s.ID, Binding: s.Binding, JobID: s.JobID, JobType: s.JobType, Service: s.Service, Description: s.Description,
		}
		if s.Binding == apikey.Pinned {
			shown[i].KeyID = s.KeyID.String()
		}
	}
	return shown
}
