package client

import (
	"encoding/json"
	"time"
)

// JobType is the kind of a long-running task.
type JobType string

// The kinds of tasks that run under a user API key.
const (
	ModelTraining        JobType = "model_training"
	DecisionOptimization JobType = "decision_optimization"
	DataStageFlow        JobType = "datastage_flow"
	Pipeline             JobType = "pipeline"
	// RuntimeService is any other runtime service; the request names it.
	RuntimeService JobType = "runtime_service"
)

// Trigger is what starts a job.
type Trigger string

// A job runs by a schedule, or because someone asked for it now.
const (
	Scheduled Trigger = "scheduled"
	AdHoc     Trigger = "ad_hoc"
)

// The lease of a run: what it is when the request does not say, and the longest.
const (
	DefaultLease = time.Hour
	MaxLease     = 24 * time.Hour
)

// Request asks whether a job may run. Exactly one of Credential, ScheduleRef and
// Owner names the key. The service checks the form: it answers invalid_request
// and names the field as its API does, such as jobId.
type Request struct {
	// JobID is the job's name or number, 1–256 printable characters.
	JobID string
	// RunID tells the runs of a job apart, 1–128 printable characters. An allowed
	// request with a RunID is recorded as a run; the same JobID and RunID are the
	// same run. When empty, nothing is recorded; StartRun makes one.
	RunID string
	// Lease is how long the run counts as running without a renewal, with a RunID
	// only: 1 s to MaxLease, rounded up to whole seconds; 0 is DefaultLease.
	Lease   time.Duration
	JobType JobType
	// Service is the runtime service's name; with RuntimeService, and only then.
	Service string
	Trigger Trigger
	// Credential is the API key that an ad hoc job was given.
	Credential Credential
	// ScheduleRef is the reference that was answered when a schedule was bound.
	ScheduleRef string
	// Owner asks for the owner's Active key.
	Owner *OwnerRef
}

// OwnerRef identifies an owner of keys: a user in an account.
type OwnerRef struct {
	AccountID string `json:"accountId"`
	IAMID     string `json:"iamId"`
}

// requestBody is a request as the service reads it. It shows the credential: it
// is made to be encoded, and not kept.
type requestBody struct {
	JobID        string    `json:"jobId"`
	RunID        string    `json:"runId,omitempty"`
	LeaseSeconds int64     `json:"leaseSeconds,omitempty"`
	JobType      JobType   `json:"jobType"`
	Service      string    `json:"service,omitempty"`
	Trigger      Trigger   `json:"trigger"`
	Credential   *string   `json:"credential,omitempty"`
	ScheduleRef  string    `json:"scheduleRef,omitempty"`
	Owner        *OwnerRef `json:"owner,omitempty"`
}

// encode writes the request as the service reads it. Texts and numbers can
// always be encoded.
func (r Request) encode() []byte {
	body, _ := json.Marshal(requestBody{
		JobID:        r.JobID,
		RunID:        r.RunID,
		LeaseSeconds: r.leaseSeconds(),
		JobType:      r.JobType,
		Service:      r.Service,
		Trigger:      r.Trigger,
		Credential:   r.Credential.text,
		ScheduleRef:  r.ScheduleRef,
		Owner:        r.Owner,
	})
	return body
}

// leaseSeconds is the lease as it is asked for. One of less than nothing is not
// rounded to nothing, which would be the default: the service refuses it.
func (r Request) leaseSeconds() int64 {
	seconds := int64(r.Lease / time.Second)
	switch rest := r.Lease % time.Second; {
	case rest > 0:
		seconds++
	case rest < 0:
		seconds--
	}
	return seconds
}

// secrets are the texts that no error may repeat.
func (r Request) secrets() []string {
	if r.Credential.text == nil {
		return nil
	}
	return []string{*r.Credential.text}
}
