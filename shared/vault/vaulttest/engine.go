// Package vaulttest is a Secrets Manager in memory, for tests: the real SDK
// client and the real vault run on it. It imitates AWS, not an emulator: the
// first version of a secret always gets AWSCURRENT; moving AWSCURRENT puts
// AWSPREVIOUS on the version that had it; AWSCURRENT can be moved but not
// detached; a secret has at most 20 staging labels; a version without any is
// not listed but can still be read by its id.
package vaulttest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/userapikey/service/shared/awstest"
)

// maxLabels is AWS's quota of staging labels across all versions of a secret.
const maxLabels = 20

const (
	current  = "AWSCURRENT"
	previous = "AWSPREVIOUS"
)

// Engine is the secrets of one account.
type Engine struct {
	// Transport leads to the engine; it counts calls and injects faults.
	Transport *awstest.Transport
	// LikeEmulators departs from AWS as some emulators do: CreateSecret chooses
	// version ids and forgets client tokens, and PutSecretValue with a used one
	// writes the version anew, without the labels that it had.
	LikeEmulators bool

	mu       sync.Mutex
	secrets  map[string]*secret // by ARN
	arns     map[string]string  // by name
	order    []*secret          // as they were made
	made     int
	pageSize int
}

type secret struct {
	made   int
	arn    string
	name   string
	values map[string]string // by version id
	labels map[string]string // label → version id
}

// NewEngine makes an engine without secrets.
func NewEngine() *Engine {
	e := &Engine{secrets: map[string]*secret{}, arns: map[string]string{}, pageSize: maxPageSize}
	e.Transport = awstest.NewTransport(e)
	return e
}

// Client is an SDK client of the engine.
func (e *Engine) Client() *secretsmanager.Client {
	return secretsmanager.NewFromConfig(e.Transport.Config())
}

// Names are the names of all secrets.
func (e *Engine) Names() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var names []string
	for _, s := range e.secrets {
		names = append(names, s.name)
	}
	slices.Sort(names)
	return names
}

// Labels are a secret's staging labels with the version that has each; nil
// when there is no such secret.
func (e *Engine) Labels(arn string) map[string]string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s, ok := e.secrets[arn]; ok {
		return maps.Clone(s.labels)
	}
	return nil
}

// Value is what a version holds.
func (e *Engine) Value(arn, versionID string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s, ok := e.secrets[arn]; ok {
		return s.values[versionID]
	}
	return ""
}

type request struct {
	Name                       string
	SecretID                   string `json:"SecretId"`
	ClientRequestToken         string
	SecretString               string
	VersionID                  string `json:"VersionId"`
	VersionStage               string
	VersionStages              []string
	RemoveFromVersionID        string `json:"RemoveFromVersionId"`
	MoveToVersionID            string `json:"MoveToVersionId"`
	ForceDeleteWithoutRecovery bool
	Filters                    []filter
	MaxResults                 int
	NextToken                  string
	SortOrder                  string
}

type refusal struct {
	Type    string `json:"__type"`
	Message string `json:"message"`
}

func refuse(kind, message string) *refusal { return &refusal{Type: kind, Message: message} }

// RoundTrip answers one request.
func (e *Engine) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var q request
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, fmt.Errorf("the request cannot be read: %w", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	result, refused := e.answer(r.Header.Get("X-Amz-Target"), q)
	if refused != nil {
		return awstest.Answer(http.StatusBadRequest, refused), nil
	}
	return awstest.Answer(http.StatusOK, result), nil
}

func (e *Engine) answer(target string, q request) (any, *refusal) {
	operation := strings.TrimPrefix(target, "secretsmanager.")
	switch operation {
	case "CreateSecret":
		return e.create(q)
	case "ListSecrets":
		return e.list(q)
	}
	arn, s := e.find(q.SecretID)
	if s == nil {
		if operation == "DeleteSecret" && q.ForceDeleteWithoutRecovery {
			// AWS answers a forced deletion of a missing secret with success.
			return map[string]any{"ARN": q.SecretID}, nil
		}
		return nil, refuse("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
	}
	switch operation {
	case "PutSecretValue":
		return s.put(arn, q, e.LikeEmulators)
	case "UpdateSecretVersionStage":
		return s.moveLabel(arn, q)
	case "DescribeSecret":
		return s.describe(arn), nil
	case "GetSecretValue":
		return s.get(arn, q)
	case "DeleteSecret":
		delete(e.secrets, arn)
		delete(e.arns, s.name)
		e.order = slices.DeleteFunc(e.order, func(other *secret) bool { return other == s })
		return map[string]any{"ARN": arn, "Name": s.name}, nil
	}
	return nil, refuse("InvalidRequestException", "the engine does not know "+operation)
}

// find looks a secret up by ARN or name.
func (e *Engine) find(id string) (string, *secret) {
	if arn, named := e.arns[id]; named {
		id = arn
	}
	return id, e.secrets[id]
}

func (e *Engine) create(q request) (any, *refusal) {
	arn, existing := e.find(q.Name)
	if existing != nil {
		if !e.LikeEmulators && existing.values[q.ClientRequestToken] == q.SecretString {
			return map[string]any{"ARN": arn, "Name": q.Name, "VersionId": q.ClientRequestToken}, nil
		}
		return nil, refuse("ResourceExistsException", "A resource with the ID you requested already exists.")
	}
	e.made++
	arn = fmt.Sprintf("arn:aws:secretsmanager:us-east-1:000000000000:secret:%s-%06d", q.Name, e.made)
	version := q.ClientRequestToken
	if e.LikeEmulators {
		version = fmt.Sprintf("00000000-0000-4000-8000-%012d", e.made)
	}
	made := &secret{
		made:   e.made,
		arn:    arn,
		name:   q.Name,
		values: map[string]string{version: q.SecretString},
		labels: map[string]string{current: version},
	}
	e.secrets[arn], e.arns[q.Name], e.order = made, arn, append(e.order, made)
	return map[string]any{"ARN": arn, "Name": q.Name, "VersionId": version}, nil
}

func (s *secret) put(arn string, q request, anew bool) (any, *refusal) {
	answer := map[string]any{"ARN": arn, "Name": s.name, "VersionId": q.ClientRequestToken, "VersionStages": q.VersionStages}
	if value, used := s.values[q.ClientRequestToken]; used && !anew {
		if value != q.SecretString {
			return nil, refuse("ResourceExistsException", "You can't modify an existing version.")
		}
		return answer, nil
	}
	labels := maps.Clone(s.labels)
	maps.DeleteFunc(labels, func(_, version string) bool { return version == q.ClientRequestToken })
	for _, label := range q.VersionStages {
		labels[label] = q.ClientRequestToken
	}
	if len(labels) > maxLabels {
		return nil, refuse("LimitExceededException", "You have attached the maximum number of staging labels.")
	}
	s.values[q.ClientRequestToken] = q.SecretString
	s.labels = labels
	return answer, nil
}

func (s *secret) moveLabel(arn string, q request) (any, *refusal) {
	holder, attached := s.labels[q.VersionStage]
	switch {
	case q.RemoveFromVersionID != "" && (!attached || holder != q.RemoveFromVersionID):
		return nil, refuse("InvalidParameterException", "The staging label is not on the version to remove it from.")
	case q.MoveToVersionID == "" && q.VersionStage == current:
		return nil, refuse("InvalidParameterException", "You can't remove AWSCURRENT; move it.")
	case q.MoveToVersionID == "":
		delete(s.labels, q.VersionStage)
		return map[string]any{"ARN": arn, "Name": s.name}, nil
	case attached && holder != q.MoveToVersionID && q.RemoveFromVersionID == "":
		return nil, refuse("InvalidParameterException", "The staging label is on another version; name it.")
	}
	if _, ok := s.values[q.MoveToVersionID]; !ok {
		return nil, refuse("ResourceNotFoundException", "Secrets Manager can't find the version to move to.")
	}
	s.labels[q.VersionStage] = q.MoveToVersionID
	if q.VersionStage == current && holder != q.MoveToVersionID {
		s.labels[previous] = holder
	}
	return map[string]any{"ARN": arn, "Name": s.name}, nil
}

func (s *secret) describe(arn string) any {
	stages := map[string][]string{}
	for label, version := range s.labels {
		stages[version] = append(stages[version], label)
	}
	return map[string]any{"ARN": arn, "Name": s.name, "VersionIdsToStages": stages}
}

func (s *secret) get(arn string, q request) (any, *refusal) {
	version := q.VersionID
	if version == "" {
		version = s.labels[current]
	}
	value, ok := s.values[version]
	if !ok {
		return nil, refuse("ResourceNotFoundException", "Secrets Manager can't find the specified secret version.")
	}
	return map[string]any{"ARN": arn, "Name": s.name, "VersionId": version, "SecretString": value}, nil
}
