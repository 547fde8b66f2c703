package authorizer

import (
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
	"github.com/userapikey/service/shared/jobauth"
)

type requestBody struct {
	JobID      string          `json:"jobId"`
	JobType    jobauth.JobType `json:"jobType"`
	Service    string          `json:"service"`
	Trigger    jobauth.Trigger `json:"trigger"`
	Credential *string         `json:"credential"`
	Owner      *ownerBody      `json:"owner"`
}

type ownerBody struct {
	AccountID string `json:"accountId"`
	IAMID     string `json:"iamId"`
}

func (b requestBody) request() jobauth.Request {
	return jobauth.Request{
		JobID:      b.JobID,
		JobType:    b.JobType,
		Service:    b.Service,
		Trigger:    b.Trigger,
		Credential: b.Credential,
		Owner:      (*jobauth.OwnerRef)(b.Owner),
	}
}

type decisionBody struct {
	Allowed bool           `json:"allowed"`
	Reason  jobauth.Reason `json:"reason"`
	Key     *keyBody       `json:"key,omitempty"`
	Owner   *httpapi.Owner `json:"owner,omitempty"`
	Secret  *secretBody    `json:"secret,omitempty"`
}

// keyBody names a key; a deleted key's name is not kept.
type keyBody struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
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
	if d.Secret != nil {
		body.Secret = &secretBody{ARN: d.Secret.ARN, VersionID: d.Secret.VersionID}
	}
	return body
}
