package authorizer

import (
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
	"github.com/userapikey/service/shared/jobauth"
)

type requestBody struct {
	JobID        string          `json:"jobId"`
	RunID        *string         `json:"runId"`
	LeaseSeconds *int64          `json:"leaseSeconds"`
	JobType      jobauth.JobType `json:"jobType"`
	Service      string          `json:"service"`
	Trigger      jobauth.Trigger `json:"trigger"`
	Credential   *string         `json:"credential"`
	ScheduleRef  *string         `json:"scheduleRef"`
	Owner        *ownerBody      `json:"owner"`
}

type ownerBody struct {
	AccountID string `json:"accountId"`
	IAMID     string `json:"iamId"`
}

func (b requestBody) request() jobauth.Request {
	return jobauth.Request{
		JobID:        b.JobID,
		RunID:        b.RunID,
		LeaseSeconds: b.LeaseSeconds,
		JobType:      b.JobType,
		Service:      b.Service,
		Trigger:      b.Trigger,
		Credential:   b.Credential,
		ScheduleRef:  b.ScheduleRef,
		Owner:        (*jobauth.OwnerRef)(b.Owner),
	}
}

type renewalBody struct {
	LeaseSeconds *int64 `json:"leaseSeconds"`
}

type decisionsBody struct {
	Decisions []decisionBody `json:"decisions"`
}

type decisionBody struct {
	Allowed bool           `json:"allowed"`
	Reason  jobauth.Reason `json:"reason"`
	// Detail tells what is wrong with a malformed request of a batch.
	Detail string         `json:"detail,omitempty"`
	Key    *keyBody       `json:"key,omitempty"`
	Owner  *httpapi.Owner `json:"owner,omitempty"`
	Run    *runBody       `json:"run,omitempty"`
	Secret *secretBody    `json:"secret,omitempty"`
}

// keyBody names a key; a deleted key's name is not kept.
type keyBody struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
}

type runBody struct {
	Ref            string         `json:"ref"`
	LeaseExpiresAt apikey.Instant `json:"leaseExpiresAt"`
}

type secretBody struct {
	ARN       string `json:"arn"`
	VersionID string `json:"versionId"`
}

func bodyOf(d jobauth.Decision) decisionBody {
	body := decisionBody{Allowed: d.Allowed, Reason: d.Reason}
	if d.KeyID != (apikey.KeyID{}) {
		body.Key = &keyBody{ID: d.KeyID.String(), Name: d.KeyName}
	}
	if d.Owner != nil {
		owner := httpapi.OwnerOf(*d.Owner)
		body.Owner = &owner
	}
	if d.Run != nil {
		body.Run = &runBody{Ref: d.Run.Ref.String(), LeaseExpiresAt: apikey.Instant(d.Run.ExpiresAt)}
	}
	if d.Secret != nil {
		body.Secret = &secretBody{ARN: d.Secret.ARN, VersionID: d.Secret.VersionID}
	}
	return body
}
