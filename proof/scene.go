package proof

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/functions/servicetest"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awsclient"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/store"
	"github.com/userapikey/service/shared/store/storetest"
)

// scene is an owner whom nobody else knows, and the service as they see it.
type scene struct {
	t       testing.TB
	ctx     context.Context
	backend servicetest.Backend
	process *servicetest.Process
	owner   apikey.Owner

	// issued are the answers that showed a credential, oldest first.
	issued []servicetest.Answer

	mu sync.Mutex
	// minted are the credentials that were sent to Secrets Manager, or were to be.
	minted []string
	// processes are those that have ended.
	processes []*servicetest.Process
}

func newScene(t testing.TB, backend servicetest.Backend) *scene {
	return &scene{t: t, ctx: t.Context(), backend: backend, process: backend.Start(), owner: storetest.NewOwner(t)}
}

func (s *scene) send(method, resource, idempotencyKey string) servicetest.Answer {
	r := functest.Request{Method: method, Resource: resource, Token: servicetest.Token(s.owner, apikey.RoleAdministrator)}
	if idempotencyKey != "" {
		r = r.With("Idempotency-Key", idempotencyKey)
	}
	return s.process.Send(s.ctx, r)
}

func (s *scene) view() servicetest.Answer { return s.send("GET", "/v1/user-api-keys", "") }

func (s *scene) create(idempotencyKey string) servicetest.Answer {
	return s.send("POST", "/v1/user-api-keys", idempotencyKey)
}

func (s *scene) rotate(idempotencyKey string) servicetest.Answer {
	return s.send("POST", "/v1/user-api-keys/rotation", idempotencyKey)
}

func (s *scene) deleteAll() servicetest.Answer { return s.send("DELETE", "/v1/user-api-keys", "") }

func (s *scene) deleteOne(keyID string) servicetest.Answer {
	return s.process.Send(s.ctx, functest.Request{
		Method: "DELETE", Resource: "/v1/user-api-keys/{keyId}", KeyID: keyID, Token: servicetest.Token(s.owner, apikey.RoleAdministrator),
	})
}

// decide asks, as a job runner over HTTP, whether a job with the credential may run.
func (s *scene) decide(credential string) servicetest.Answer {
	return s.process.Send(s.ctx, functest.Request{
		Method: "POST", Resource: "/v1/job-authorizations", Token: servicetest.Token(s.owner, apikey.RoleJobRunner),
		Body: `{"jobId":"job-1","jobType":"model_training","trigger":"ad_hoc","credential":"` + credential + `"}`,
	})
}

// decideByOwner asks by a direct invocation whether a job of the owner's may run.
func (s *scene) decideByOwner() servicetest.Answer {
	return s.process.Invoke(s.ctx, map[string]any{
		"jobId": "job-1", "jobType": "pipeline", "trigger": "scheduled",
		"owner": map[string]string{"accountId": s.owner.AccountID, "iamId": s.owner.IAMID},
	})
}

// hasKey and hasRotated bring the owner's keys to a state.
func (s *scene) hasKey() { s.issue(s.create("")) }

func (s *scene) hasRotated() {
	s.hasKey()
	s.issue(s.rotate(""))
}

func (s *scene) issue(answer servicetest.Answer) {
	s.t.Helper()
	if answer.Status != http.StatusCreated {
		s.t.Fatalf("the state before: %d %s", answer.Status, answer.Text)
	}
	s.issued = append(s.issued, answer)
}

// ring is the owner's ring as it is, past every fault.
func (s *scene) ring() (apikey.Ring, error) {
	return s.backend.Start().Keys.Rings.Ring(s.ctx, s.owner.Locator())
}

// changes are the owner's history, as it is, past every fault: newest first, and
// without a gap from the ring's revision down to the first.
func (s *scene) changes() ([]apikey.Event, error) {
	ring, err := s.ring()
	if err != nil {
		return nil, err
	}
	const most = 100
	changes, more, err := s.backend.Start().Keys.Rings.History(s.ctx, s.owner.Locator(), store.MaxRevision+1, most)
	if err != nil {
		return nil, err
	}
	if more || int64(len(changes)) != ring.Revision {
		return nil, fmt.Errorf("the history has %d changes, the ring is at revision %d", len(changes), ring.Revision)
	}
	for n, change := range changes {
		if change.Revision != ring.Revision-int64(n) {
			return nil, fmt.Errorf("change %d of the history has revision %d, the ring %d", n+1, change.Revision, ring.Revision)
		}
	}
	return changes, nil
}

// material checks that the Active key's credential is in Secrets Manager: by
// version id always, and under AWSCURRENT and no other key's label once the
// secret was repaired.
func (s *scene) material(ring apikey.Ring, repaired bool) error {
	if ring.Active == nil {
		return nil
	}
	client := secretsmanager.NewFromConfig(awsclient.ConfigOn(s.backend.Secrets, s.backend.Getenv, "secretsmanager"))
	value, err := client.GetSecretValue(s.ctx, &secretsmanager.GetSecretValueInput{SecretId: &ring.SecretARN, VersionId: &ring.Active.VersionID})
	if err != nil {
		return fmt.Errorf("the Active key's material is not in Secrets Manager: %w", err)
	}
	credential, err := apikey.ParseCredential(*value.SecretString)
	if err != nil || !credential.Digest().Equal(ring.Active.Digest) {
		return errors.New("the Active key's version holds something else")
	}
	if !repaired {
		return nil
	}
	secret, err := client.DescribeSecret(s.ctx, &secretsmanager.DescribeSecretInput{SecretId: &ring.SecretARN})
	if err != nil {
		return err
	}
	for version, labels := range secret.VersionIdsToStages {
		for _, label := range labels {
			_, notKeyID := apikey.ParseUUID(label)
			switch {
			case label == "AWSCURRENT" && version != ring.Active.VersionID:
				return fmt.Errorf("after repair AWSCURRENT is on %s, the Active key's version is %s", version, ring.Active.VersionID)
			case notKeyID == nil:
				return fmt.Errorf("after repair the label %s is still there", label)
			}
		}
	}
	if !strings.Contains(fmt.Sprint(secret.VersionIdsToStages[ring.Active.VersionID]), "AWSCURRENT") {
		return errors.New("after repair nothing has AWSCURRENT")
	}
	return nil
}

// noting takes note of the credentials in the calls of Secrets Manager.
func (s *scene) noting(fault awstest.Fault) awstest.Fault {
	return func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		var put struct{ SecretString string }
		if json.Unmarshal(call.Body, &put) == nil && put.SecretString != "" {
			s.mu.Lock()
			s.minted = append(s.minted, put.SecretString)
			s.mu.Unlock()
		}
		return fault(call, next)
	}
}

// nothingLeaked searches for every credential wherever none may be: in what the
// processes told, and in the table.
func (s *scene) nothingLeaked() error {
	items, err := s.items()
	if err != nil {
		return err
	}
	texts := map[string]string{"table": items, "last process": s.process.Told()}
	for n, process := range s.processes {
		texts[fmt.Sprint("process ", n)] = process.Told()
	}
	for _, answer := range s.issued {
		s.minted = append(s.minted, answer.Credential)
	}
	for _, credential := range s.minted {
		if err := Search(credential, texts); err != nil {
			return err
		}
	}
	return nil
}

// restart replaces the process by another one.
func (s *scene) restart() {
	s.processes = append(s.processes, s.process)
	s.process = s.backend.Start()
}

// items are all of the owner's items as one text; of binary attributes it has
// the bytes.
func (s *scene) items() (string, error) {
	client := dynamodb.NewFromConfig(awsclient.ConfigOn(s.backend.Table, s.backend.Getenv, "dynamodb"))
	page, err := client.Query(s.ctx, &dynamodb.QueryInput{
		TableName: &s.backend.TableName, ConsistentRead: aws.Bool(true), ScanIndexForward: aws.Bool(false), Limit: aws.Int32(100),
		KeyConditionExpression: aws.String("pk = :owner AND sk BETWEEN :first AND :last"),
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":owner": &types.AttributeValueMemberS{Value: "OWNER#" + s.owner.Locator().String()},
			":first": &types.AttributeValueMemberS{Value: "A"},
			":last":  &types.AttributeValueMemberS{Value: "Z"},
		},
	})
	if err != nil {
		return "", err
	}
	var text strings.Builder
	for _, item := range page.Items {
		write(&text, &types.AttributeValueMemberM{Value: item})
	}
	return text.String(), nil
}

func write(text *strings.Builder, attribute types.AttributeValue) {
	switch value := attribute.(type) {
	case *types.AttributeValueMemberS:
		text.WriteString(value.Value + "\n")
	case *types.AttributeValueMemberB:
		text.WriteString(string(value.Value) + "\n")
	case *types.AttributeValueMemberL:
		for _, member := range value.Value {
			write(text, member)
		}
	case *types.AttributeValueMemberM:
		for name, member := range value.Value {
			text.WriteString(name + "=")
			write(text, member)
		}
	default:
		fmt.Fprintf(text, "%v\n", value)
	}
}
