package proof

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/userapikey/service/functions/servicetest"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awsclient"
	"github.com/userapikey/service/shared/store"
	"github.com/userapikey/service/shared/vault/vaulttest"
)

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
	client := secretsmanager.NewFromConfig(awsclient.ConfigOn(s.backend.Secrets, s.backend.Getenv, "secretsmanager"))
	if !repaired {
		return vaulttest.CheckMaterial(s.ctx, client, ring)
	}
	return vaulttest.CheckRepaired(s.ctx, client, ring)
}

// nothingLeaked searches for every credential wherever none may be: in what the
// processes told, and in the table.
func (s *scene) nothingLeaked() error {
	items, err := Items(s.ctx, s.backend, s.owner)
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

// Items are all of the owner's items as one text; of binary attributes it has
// the bytes.
func Items(ctx context.Context, b servicetest.Backend, owner apikey.Owner) (string, error) {
	client := dynamodb.NewFromConfig(awsclient.ConfigOn(b.Table, b.Getenv, "dynamodb"))
	page, err := client.Query(ctx, &dynamodb.QueryInput{
		TableName: &b.TableName, ConsistentRead: aws.Bool(true), ScanIndexForward: aws.Bool(false), Limit: aws.Int32(100),
		KeyConditionExpression: aws.String("pk = :owner AND sk BETWEEN :first AND :last"),
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":owner": &types.AttributeValueMemberS{Value: "OWNER#" + owner.Locator().String()},
			":first": &types.AttributeValueMemberS{Value: "A"},
			":last":  &types.AttributeValueMemberS{Value: "Z"},
		},
	})
	if err != nil {
		return "", err
	}
	if page.LastEvaluatedKey != nil {
		return "", errors.New("the owner has more items than are searched")
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
