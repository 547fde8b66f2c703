package store_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/jobauth"
	"github.com/userapikey/service/shared/store"
	"github.com/userapikey/service/shared/store/storetest"
)

// scene is one owner's ring on an engine whose calls can be made to fail.
type scene struct {
	t      *testing.T
	engine *storetest.Engine
	store  *store.Store
	owner  apikey.Owner
}

func newScene(t *testing.T) *scene { return newSceneAt(t, time.Now) }

func newSceneAt(t *testing.T, now func() time.Time) *scene {
	engine := storetest.NewEngine()
	return &scene{
		t: t, engine: engine, owner: storetest.NewOwner(t),
		store: store.New(engine.Client(), storetest.Table, now, rand.Reader),
	}
}

// other is another owner on the same engine.
func (s *scene) other() *scene {
	other := *s
	other.owner = storetest.NewOwner(s.t)
	return &other
}

func (s *scene) create(ctx context.Context) (store.Result, error) {
	material := storetest.Material(s.t, s.owner)
	return s.store.Update(ctx, s.owner, store.Idempotency{Key: "key-1", Operation: "create"},
		func(_ context.Context, ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
			next, event, err := ring.Create(apikey.Command{Now: time.Now()}, material)
			return next, &event, err
		})
}

// changes makes a key and rotates it, n changes in all.
func (s *scene) changes(n int) {
	s.t.Helper()
	for i := range n {
		s.change(func(ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
			change := ring.Create
			if i > 0 {
				change = ring.Rotate
			}
			next, event, err := change(apikey.Command{Now: time.Now()}, storetest.Material(s.t, s.owner))
			return next, &event, err
		})
	}
	s.engine.Transport.TakeCalls()
}

// change makes one change, and takes its calls out of the count.
func (s *scene) change(change func(apikey.Ring) (apikey.Ring, *apikey.Event, error)) store.Result {
	s.t.Helper()
	result, err := s.store.Update(s.t.Context(), s.owner, store.Idempotency{},
		func(_ context.Context, ring apikey.Ring) (apikey.Ring, *apikey.Event, error) { return change(ring) })
	if err != nil {
		s.t.Fatal(err)
	}
	s.engine.Transport.TakeCalls()
	return result
}

// rotate makes a new Active key.
func (s *scene) rotate() apikey.KeyID {
	s.t.Helper()
	return s.change(func(ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
		next, event, err := ring.Rotate(apikey.Command{Now: time.Now()}, storetest.Material(s.t, s.owner))
		return next, &event, err
	}).Ring.Active.ID
}

func (s *scene) deleteKey(id apikey.KeyID) {
	s.t.Helper()
	s.change(func(ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
		next, event, err := ring.DeleteOne(apikey.Command{Now: time.Now()}, id)
		return next, &event, err
	})
}

// follow binds a schedule for the first time: to follow the Active key.
func (s *scene) follow(id string) {
	s.t.Helper()
	s.change(func(ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
		next, event, _, err := ring.Bind(apikey.Command{Now: time.Now()}, nil, apikey.Schedule{ID: id, Binding: apikey.FollowActive})
		return next, event, err
	})
}

// bindMany binds s000, s001 and so on, each pinned to the Active key.
func (s *scene) bindMany(count int) {
	s.t.Helper()
	for n := range count {
		s.change(func(ring apikey.Ring) (apikey.Ring, *apikey.Event, error) {
			pinned := apikey.Schedule{ID: fmt.Sprintf("s%03d", n), Binding: apikey.Pinned, KeyID: ring.Active.ID, Description: "every night"}
			next, event, _, err := ring.Bind(apikey.Command{Now: time.Now()}, nil, pinned)
			return next, event, err
		})
	}
}

func (s *scene) ring() apikey.Ring {
	s.t.Helper()
	s.engine.Transport.SetFault(nil)
	ring, err := s.store.Ring(s.t.Context(), s.owner.Locator())
	if err != nil {
		s.t.Fatal(err)
	}
	return ring
}

func (s *scene) revision() int64 { return s.ring().Revision }

// run is the owner's run, as a decision for an hour would have it.
func (s *scene) run(runID string, now time.Time) jobauth.Run {
	now = now.UTC().Truncate(time.Millisecond)
	return jobauth.Run{
		Owner: s.owner, KeyID: apikey.KeyID{6: 0x70, 8: 0x80, 15: 1}, JobID: "job-1", RunID: runID, JobType: jobauth.RuntimeService,
		Service: "watsonx", StartedAt: now, LeaseExpiresAt: now.Add(time.Hour),
	}
}

func (s *scene) record(run jobauth.Run) jobauth.Run {
	s.t.Helper()
	recorded, err := s.store.RecordRun(s.t.Context(), run)
	if err != nil {
		s.t.Fatal(err)
	}
	s.engine.Transport.TakeCalls()
	return recorded
}

// wantCalls wants so many calls of one operation, and no other, since the calls
// were taken last.
func (s *scene) wantCalls(when, operation string, count int) {
	s.t.Helper()
	calls := s.engine.Transport.TakeCalls()
	if !slices.Equal(calls, slices.Repeat([]string{operation}, count)) {
		s.t.Errorf("%s: %v, want %d of %s", when, calls, count, operation)
	}
}

// attributes is an item, or a part of one, in DynamoDB's JSON.
type attributes = map[string]any

// send asks the engine itself: no fault meets it, and no count sees it.
func (s *scene) send(operation string, body []byte) attributes {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, "http://aws.test", bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
	response, err := s.engine.RoundTrip(request)
	if err != nil {
		s.t.Fatal(err)
	}
	return decoded(s.t, response)
}

func decoded(t *testing.T, response *http.Response) (answer attributes) {
	t.Helper()
	body, err := io.ReadAll(response.Body)
	if err == nil {
		err = json.Unmarshal(body, &answer)
	}
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%d %s, %v", response.StatusCode, body, err)
	}
	return answer
}

func encoded(t *testing.T, body any) []byte {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// stored is the owner's item whose sort key begins so.
func (s *scene) stored(sk string) attributes {
	s.t.Helper()
	for _, text := range s.engine.Items() {
		var item attributes
		if err := json.Unmarshal([]byte(text), &item); err != nil {
			s.t.Fatal(err)
		}
		if item["pk"].(attributes)["S"] == "OWNER#"+s.owner.Locator().String() && strings.HasPrefix(item["sk"].(attributes)["S"].(string), sk) {
			return item
		}
	}
	s.t.Fatalf("the owner has no item %s", sk)
	return nil
}

// spoil changes what is stored, behind the store's back.
func (s *scene) spoil(sk string, change func(attributes)) {
	s.t.Helper()
	item := s.stored(sk)
	change(item)
	s.send("TransactWriteItems", encoded(s.t, attributes{"TransactItems": []any{
		attributes{"Put": attributes{"TableName": storetest.Table, "Item": item}},
	}}))
}

// without and with are ways to spoil an item.
func without(name string) func(attributes) { return func(item attributes) { delete(item, name) } }

func with(name, kind string, value any) func(attributes) {
	return func(item attributes) { item[name] = attributes{kind: value} }
}

// torn answers a batch with one item as it was before something happens, and the
// others as they are after: a batch is no snapshot.
func (s *scene) torn(old string, happens func()) awstest.Fault {
	return awstest.On("BatchGetItem", func(call awstest.Call, _ func() (*http.Response, error)) (*http.Response, error) {
		before := s.batchItems(call.Body)
		happens()
		after := s.batchItems(call.Body)
		for key := range after {
			if strings.HasSuffix(key, old) {
				delete(after, key)
			}
		}
		for key, item := range before {
			if strings.HasSuffix(key, old) {
				after[key] = item
			}
		}
		return awstest.Answer(http.StatusOK, attributes{"Responses": attributes{storetest.Table: slices.Collect(maps.Values(after))}}), nil
	})
}

// batchItems are the items that a batch is answered with, by partition and sort key.
func (s *scene) batchItems(body []byte) attributes {
	items := attributes{}
	for _, it := range s.send("BatchGetItem", body)["Responses"].(attributes)[storetest.Table].([]any) {
		item := it.(attributes)
		items[item["pk"].(attributes)["S"].(string)+" "+item["sk"].(attributes)["S"].(string)] = item
	}
	return items
}

// everyFault is what may become of calls, and what a read or write that is safe
// to repeat answers then. Each use makes the fault anew: some hit once.
var everyFault = map[string]struct {
	fault func() awstest.Fault
	code  apikey.Code
}{
	"down":              {always(awstest.Reset), apikey.CodeUnavailable},
	"failing":           {always(awstest.Refuse(500, "InternalServerError")), apikey.CodeUnavailable},
	"throttled":         {always(awstest.Refuse(400, "ProvisionedThroughputExceededException")), apikey.CodeUnavailable},
	"access denied":     {always(awstest.Refuse(400, "AccessDeniedException")), apikey.CodeUnavailable},
	"loses all answers": {always(awstest.LoseAnswer), apikey.CodeUnavailable},
	"fails once":        {once(awstest.Reset), ""},
	"fails once, 500":   {once(awstest.Refuse(500, "InternalServerError")), ""},
	"throttled once":    {once(awstest.Refuse(400, "ThrottlingException")), ""},
	"loses one answer":  {once(awstest.LoseAnswer), ""},
}

func always(fault awstest.Fault) func() awstest.Fault {
	return func() awstest.Fault { return fault }
}

func once(fault awstest.Fault) func() awstest.Fault {
	return func() awstest.Fault { return awstest.Once(fault) }
}

// twice answers a query with each of its items twice.
func twice(t *testing.T) awstest.Fault {
	return func(_ awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		response, err := next()
		if err != nil {
			return nil, err
		}
		answer := decoded(t, response)
		items := answer["Items"].([]any)
		answer["Items"] = append(items, items...)
		return awstest.Answer(http.StatusOK, answer), nil
	}
}

// cancelling ends the caller's request in the middle of a call.
func cancelling(cancel context.CancelFunc) awstest.Fault {
	return func(call awstest.Call, _ func() (*http.Response, error)) (*http.Response, error) {
		cancel()
		return nil, call.Context.Err()
	}
}
