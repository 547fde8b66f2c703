package e2e

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/userapikey/service/shared/awstest"
)

// ways are the ways in which a service that the functions depend on lets them
// down, for as long as it takes.
var ways = map[string]awstest.Fault{
	"resets":    awstest.Reset,
	"throttles": awstest.Refuse(http.StatusBadRequest, "ThrottlingException"),
	"fails":     awstest.Refuse(http.StatusInternalServerError, "InternalServerError"),
	"is slow":   awstest.HoldAnswer,
	"is gone":   awstest.Hang,
}

// between puts itself between the deployed functions and one of their services;
// variable names the service's address for the functions.
func between(t *testing.T, variable string) *awstest.Transport {
	t.Helper()
	target, err := url.Parse(stack["AWS_ENDPOINT_URL"])
	if err != nil {
		t.Fatal(err)
	}
	transport := awstest.NewTransport(&http.Transport{MaxIdleConnsPerHost: 64})
	server := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // which is signed
		},
		Transport: transport,
		// What does not come through is a connection that breaks off.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	})
	t.Cleanup(server.Close)
	for name, function := range stack {
		if strings.HasSuffix(name, "_FUNCTION") {
			setVariable(t, function, variable, server.URL)
		}
	}
	return transport
}

// setVariable sets a variable of a function's environment, until the test ends.
func setVariable(t *testing.T, function, name, value string) {
	t.Helper()
	var configured struct {
		Environment struct{ Variables map[string]string }
	}
	path := functionsPath + function + "/configuration"
	_, content := callAWS(t, "lambda", http.MethodGet, path, "application/json", "")
	if err := json.Unmarshal(content, &configured); err != nil {
		t.Fatal(err)
	}
	set := func(variables map[string]string) {
		body, err := json.Marshal(map[string]any{"Environment": map[string]any{"Variables": variables}})
		if err == nil {
			header := http.Header{"Content-Type": {"application/json"}}
			_, _, err = cloud().Send(context.Background(), "lambda", http.MethodPut, path, header, body)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	before := configured.Environment.Variables
	changed := maps.Clone(before)
	changed[name] = value
	set(changed)
	t.Cleanup(func() { set(before) })
}

// person is a user with a Phased out key and an Active one, and their job runner.
type person struct {
	user, runner     *user
	old, credential  string
	idempotencyKey   string
	createsInPassing *user // who has no key yet
}

func newPerson(t *testing.T) person {
	t.Helper()
	p := person{user: newUser(t, "Administrator"), runner: newUser(t, "JobRunner"), createsInPassing: newUser(t, "Administrator"), idempotencyKey: uniqueKey()}
	p.old = p.user.create().want(t, 201).Key.ID
	p.credential = p.user.rotate().want(t, 201).Credential
	return p
}

// asks are requests of every function, by what they ask for.
var asks = map[string]func(person) reply{
	"view":    func(p person) reply { return p.user.call("GET", "/v1/user-api-keys", "") },
	"history": func(p person) reply { return p.user.call("GET", "/v1/user-api-keys/history", "") },
	"create":  func(p person) reply { return p.createsInPassing.create("Idempotency-Key", p.idempotencyKey) },
	"rotate":  func(p person) reply { return p.user.rotate("Idempotency-Key", p.idempotencyKey) },
	"delete":  func(p person) reply { return p.user.call("DELETE", "/v1/user-api-keys/"+p.old, "") },
	"bind":    func(p person) reply { return p.user.bind("nightly", map[string]any{"binding": "follow_active"}) },
	"decide": func(p person) reply {
		return p.runner.call("POST", "/v1/job-authorizations", jobRequest(map[string]any{"credential": p.credential}))
	},
}

// underFaults makes every request once in each way, all of a way at once, each by
// a person of its own.
func underFaults(t *testing.T, service *awstest.Transport, check func(t *testing.T, ask string, answer reply)) {
	t.Helper()
	for way, fault := range ways {
		t.Run(way, func(t *testing.T) {
			people := map[string]person{}
			for ask := range asks {
				people[ask] = newPerson(t)
			}
			answers := map[string]reply{}
			service.SetFault(fault)
			var mu sync.Mutex
			var group sync.WaitGroup
			for ask, do := range asks {
				group.Go(func() {
					answer := do(people[ask])
					mu.Lock()
					defer mu.Unlock()
					answers[ask] = answer
				})
			}
			group.Wait()
			service.SetFault(nil)
			for ask, answer := range answers {
				check(t, ask, answer)
			}
			for ask, do := range asks {
				if answer := do(people[ask]); answer.status >= 500 {
					t.Errorf("%s afterwards: %d %s", ask, answer.status, answer.body)
				}
			}
		})
	}
}

func isRefusedForNow(answer reply) bool {
	return answer.status == http.StatusServiceUnavailable && answer.Code == "unavailable" && answer.header.Get("Retry-After") != ""
}

func TestTheAPIAnswersInTimeWhateverBecomesOfDynamoDB(t *testing.T) {
	underFaults(t, between(t, "AWS_ENDPOINT_URL_DYNAMODB"), func(t *testing.T, ask string, answer reply) {
		if !isRefusedForNow(answer) {
			t.Errorf("%s: %d %s", ask, answer.status, answer.body)
		}
	})
}

// Nothing but what makes a key needs Secrets Manager.
func TestTheAPIAnswersInTimeWhateverBecomesOfSecretsManager(t *testing.T) {
	underFaults(t, between(t, "AWS_ENDPOINT_URL_SECRETS_MANAGER"), func(t *testing.T, ask string, answer reply) {
		if makes := ask == "create" || ask == "rotate"; makes && !isRefusedForNow(answer) || !makes && answer.status >= 300 {
			t.Errorf("%s: %d %s", ask, answer.status, answer.body)
		}
	})
}
