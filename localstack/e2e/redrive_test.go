package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/userapikey/service/functions/servicetest"
	"github.com/userapikey/service/localstack/deployed"
	"github.com/userapikey/service/shared/apikey"
)

// A change whose record was damaged on its way into the table is announced by
// nobody, and lies in the queue of dead letters until the item is repaired.
func TestWhatCouldNotBeAnnouncedIsRedrivenOnce(t *testing.T) {
	ada := newUser(t, "Administrator")
	subscription := subscribe(t, ada)
	ada.create().want(t, 201)
	backend := emulated()
	backend.Table = damaging{}
	answer := backend.Start().Send(t.Context(), servicetest.Request{
		Method: http.MethodPut, Path: "/v1/rotation-policy", Token: servicetest.Token(ada.owner, apikey.RoleAdministrator),
		Body: everyQuarter,
	})
	if answer.Status != http.StatusOK {
		t.Fatalf("the change: %d %s", answer.Status, answer.Text)
	}
	item := fmt.Sprintf(`the item {"pk": "OWNER#%s", "sk": "EVENT#0000000002"}: `, ada.owner.Locator())

	ctx := within(t, time.Minute)
	told, failed := redrive(ctx, t)
	for !strings.Contains(told, item) { // until the record has come that far
		told, failed = redrive(ctx, t)
	}
	if !strings.Contains(told, item+"0 announced, 1 cannot be read. Kept: ") || !strings.Contains(told, `its type \"`+damaged+`\" is none`) || !failed {
		t.Errorf("an item that cannot be read; failed: %t\n%s", failed, told)
	}
	repairType(t, ada.owner)
	if told, _ = redrive(ctx, t); !strings.Contains(told, item+"1 announced\n") {
		t.Errorf("the item was repaired\n%s", told)
	}
	all := noticesUntil(t, subscription, 20*time.Second, func(all []deployed.Notice) bool { return len(all) >= 2 })
	if !slices.ContainsFunc(all, func(n deployed.Notice) bool { return n.Type == apikey.EventPolicyChanged && n.Detail.Revision == 2 }) {
		t.Errorf("arrived: %+v", all)
	}
	if told, _ = redrive(ctx, t); strings.Contains(told, item) {
		t.Errorf("it was announced before\n%s", told)
	}
}

// redrive runs `make redrive` as a person does. It tells whether the command
// failed, which it also does for what other tests have left in the queue.
func redrive(ctx context.Context, t *testing.T) (told string, failed bool) {
	t.Helper()
	command := exec.CommandContext(ctx, "make", "--no-print-directory", "redrive", "ENV="+os.Getenv("LOCAL_ENV"))
	command.Dir = "../.."
	// Not as a part of the make that runs the tests.
	command.Env = slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, "MAKE") || strings.HasPrefix(variable, "MFLAGS=")
	})
	output, err := command.CombinedOutput()
	if _, isStatus := errors.AsType[*exec.ExitError](err); err != nil && !isStatus || ctx.Err() != nil {
		t.Fatalf("%v, %v\n%s", err, ctx.Err(), output)
	}
	return string(output), err != nil
}

// damaged is what becomes of the type of an event; it is as long.
const damaged = "User API Key Rotation Policy Chanqed"

// damaging leads to the emulator, and damages events of changed policies on the way.
type damaging struct{}

// RoundTrip sends the request on.
func (damaging) RoundTrip(request *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	body = bytes.ReplaceAll(body, []byte(apikey.EventPolicyChanged), []byte(damaged))
	other := request.Clone(request.Context())
	other.Body = io.NopCloser(bytes.NewReader(body))
	return emulator.RoundTrip(other)
}

// repairType puts the type of the event of the second revision right.
func repairType(t *testing.T, owner apikey.Owner) {
	t.Helper()
	type value map[string]string
	if err := cloud().Call(t.Context(), "dynamodb", "DynamoDB_20120810.UpdateItem", map[string]any{
		"TableName":                 stack["TABLE_NAME"],
		"Key":                       map[string]value{"pk": {"S": "OWNER#" + owner.Locator().String()}, "sk": {"S": "EVENT#0000000002"}},
		"UpdateExpression":          "SET #type = :type",
		"ExpressionAttributeNames":  map[string]string{"#type": "type"},
		"ExpressionAttributeValues": map[string]value{":type": {"S": string(apikey.EventPolicyChanged)}},
	}, nil); err != nil {
		t.Fatal(err)
	}
}
