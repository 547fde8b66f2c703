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
	MaxServiceLength = 128
)

// Request asks whether a job may run. Exactly one of Credential and Owner names
// the key.
type Request struct {
	JobID   string
	JobType JobType
	// Service is the runtime service's name; required with RuntimeService and
	// refused otherwise.
	Service string
	Trigger Trigger
	// Credential is the API key that an ad hoc job was given, as text.
	Credential *string
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
	if !slices.Contains(JobTypes, r.JobType) {
		return apikey.Invalid("jobType", "must be one of "+list(JobTypes))
	}
	switch {
	case r.JobType == RuntimeService:
		if err := checkText("service", r.Service, MaxServiceLength); err != nil {
			return err
		}
	case r.Service != "":
		return apikey.Invalid("service", "goes with the jobType runtime_service only")
	}
	if !slices.Contains(Triggers, r.Trigger) {
		return apikey.Invalid("trigger", "must be one of "+list(Triggers))
	}
	switch {
	case r.Credential == nil && r.Owner == nil:
		return apikey.Invalid("credential", "or owner is missing: name the key in exactly one way")
	case r.Credential != nil && r.Owner != nil:
		return apikey.Invalid("owner", "and credential are both given: name the key in exactly one way")
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
	case !apikey.Printable(text):
		return apikey.Invalid(field, "contains a character that cannot be printed")
	}
	return nil
}

func list[T ~string](values []T) string {
	texts := make([]string, len(values))
	for i, value := range values {
		texts[i] = string(value)
	}
	return strings.Join(texts, ", ")
}
