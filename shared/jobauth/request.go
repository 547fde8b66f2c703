package jobauth

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/userapikey/service/shared/apikey"
)

// JobType is the kind of a long-running task.
type JobType string

// The kinds of tasks that need a user API key.
const (
	ModelTraining        JobType = "model_training"
	DecisionOptimization JobType = "decision_optimization"
	DataStageFlow        JobType = "datastage_flow"
	Pipeline             JobType = "pipeline"
	// RuntimeService is any other runtime service that takes an API key
	// reference; the request names it.
	RuntimeService JobType = "runtime_service"
)

// Trigger is what starts a job.
type Trigger string

// A job runs by a schedule, or because someone asked for it now.
const (
	Scheduled Trigger = "scheduled"
	AdHoc     Trigger = "ad_hoc"
)

// JobTypes and Triggers list every value, for messages and tables.
var (
	JobTypes = []JobType{ModelTraining, DecisionOptimization, DataStageFlow, Pipeline, RuntimeService}
	Triggers = []Trigger{Scheduled, AdHoc}
)

// Bounds of a request, in characters.
const (
	MaxJobIDLength   = 256
	MaxRunIDLength   = 128
	MaxServiceLength = 128
)

// Request asks whether a job may run. Exactly one of Credential, ScheduleRef and
// Owner names the key.
type Request struct {
	JobID string
	// RunID, unless nil, has the run recorded as a running operation.
	RunID *string
	// LeaseSeconds is how long that run's lease is to last, 1 to 86,400; nil is
	// DefaultLease.
	LeaseSeconds *int64
	JobType      JobType
	// Service is the runtime service's name; required with RuntimeService and
	// refused otherwise.
	Service string
	Trigger Trigger
	// Credential is the API key that an ad hoc job was given, as text.
	Credential *string
	// ScheduleRef is the reference that a schedule got when it was bound.
	ScheduleRef *string
	// Owner asks for the owner's Active key.
	Owner *OwnerRef
}

// OwnerRef identifies an owner.
type OwnerRef struct {
	AccountID string
	IAMID     string
}

// Caller is who asks: a runner of one account's jobs, or of the whole platform.
// The zero value has no business with any account.
type Caller struct {
	AccountID string
	Platform  bool
	// Actor is how the caller is called where it is announced what it did.
	Actor apikey.Actor
}

func (c Caller) mayAskAbout(accountID string) bool {
	return c.Platform || (c.AccountID != "" && c.AccountID == accountID)
}

// validate tells what is wrong with the request's form, as invalid_request
// naming the field.
func (r Request) validate() error {
	if err := checkText("jobId", r.JobID, MaxJobIDLength); err != nil {
		return err
	}
	if err := r.validateRun(); err != nil {
		return err
	}
	if err := CheckJobType(r.JobType); err != nil {
		return err
	}
	if err := CheckService(r.JobType, r.Service); err != nil {
		return err
	}
	if !slices.Contains(Triggers, r.Trigger) {
		return apikey.Invalid("trigger", "must be one of "+list(Triggers))
	}
	return r.validateNaming()
}

func (r Request) validateRun() error {
	if r.RunID == nil {
		if r.LeaseSeconds != nil {
			return apikey.Invalid("leaseSeconds", "goes with a runId only")
		}
		return nil
	}
	if err := checkText("runId", *r.RunID, MaxRunIDLength); err != nil {
		return err
	}
	_, err := ParseLease(r.LeaseSeconds)
	return err
}

// CheckJobType tells whether there is such a kind of task. Errors:
// invalid_request.
func CheckJobType(jobType JobType) error {
	if !slices.Contains(JobTypes, jobType) {
		return apikey.Invalid("jobType", "must be one of "+list(JobTypes))
	}
	return nil
}

// CheckService tells what is wrong with the name of a runtime service: it is
// needed with that type of job and refused with every other. Errors:
// invalid_request.
func CheckService(jobType JobType, service string) error {
	switch {
	case jobType == RuntimeService:
		return checkText("service", service, MaxServiceLength)
	case service != "":
		return apikey.Invalid("service", "goes with the jobType runtime_service only")
	}
	return nil
}

func (r Request) validateNaming() error {
	const once = ": name the key in exactly one way"
	var given []string
	for _, way := range []struct {
		name  string
		given bool
	}{{"credential", r.Credential != nil}, {"scheduleRef", r.ScheduleRef != nil}, {"owner", r.Owner != nil}} {
		if way.given {
			given = append(given, way.name)
		}
	}
	switch {
	case len(given) == 0:
		return apikey.Invalid("credential", "or scheduleRef or owner is missing"+once)
	case len(given) > 1:
		return apikey.Invalid(given[1], "is given beside "+given[0]+once)
	case r.Owner != nil:
		return r.Owner.validate()
	}
	return nil
}

func (o OwnerRef) validate() error {
	if err := checkText("owner.accountId", o.AccountID, apikey.MaxAccountIDBytes); err != nil {
		return err
	}
	return checkText("owner.iamId", o.IAMID, apikey.MaxIAMIDBytes)
}

// checkText bounds a text in characters; an owner's parts have bounds in bytes,
// and one between the two is just an owner that has no key.
func checkText(field, text string, maxLength int) error {
	switch {
	case text == "":
		return apikey.Invalid(field, "is missing or empty")
	case utf8.RuneCountInString(text) > maxLength:
		return apikey.Invalid(field, fmt.Sprintf("is longer than %d characters", maxLength))
	}
	return apikey.CheckText(field, text)
}

func list[T ~string](values []T) string {
	texts := make([]string, len(values))
	for i, value := range values {
		texts[i] = string(value)
	}
	return strings.Join(texts, ", ")
}
