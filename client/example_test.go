package client_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/userapikey/service/client"
	"github.com/userapikey/service/client/clienttest"
)

// What a runner needs: the address of the deployment, a source of tokens, and a
// job that heeds its context. The same lines are in the README.
func Example() {
	runNightly := func(ctx context.Context, scheduleRef string) error {
		service, err := client.New(client.Config{
			BaseURL: os.Getenv("API_URL"),
			Tokens:  client.TokenFunc(tokenOfThisRunner),
		})
		if err != nil {
			return err
		}
		run, err := service.StartRun(ctx, client.Request{
			JobID:       "nightly-training",
			JobType:     client.ModelTraining,
			Trigger:     client.Scheduled,
			ScheduleRef: scheduleRef,
			Lease:       15 * time.Minute,
		})
		if err != nil {
			return err // a *client.RefusedError when the service said no
		}
		defer run.Close()
		if err := train(run.Context()); err != nil {
			return errors.Join(err, context.Cause(run.Context()))
		}
		return nil
	}
	_ = runNightly
}

// An ad hoc job was given an API key, and may run if that key is Active.
func ExampleClient_Authorize() {
	service := clienttest.NewServer()
	defer service.Close()
	key := service.AddOwner("account-1", "IBMid-1").Active()

	request := client.Request{
		JobID:      "sales-forecast-7",
		JobType:    client.DataStageFlow,
		Trigger:    client.AdHoc,
		Credential: client.NewCredential(key.Credential),
	}
	decision, err := service.Client().Authorize(context.Background(), request)
	if err != nil {
		fmt.Println("not known, so it does not run:", err)
		return
	}
	fmt.Println(decision.Allowed, decision.Reason, "for", decision.Owner.IAMID)
	fmt.Printf("%+v\n", request.Credential)
	// Output:
	// true key_active for IBMid-1
	// [credential redacted]
}

// A scheduled job stops when its key is deleted: its context ends at the next
// renewal, a third of the lease away at most.
func ExampleClient_StartRun() {
	service := clienttest.NewServer()
	defer service.Close()
	owner := service.AddOwner("account-1", "IBMid-1")

	run, err := service.Client().StartRun(context.Background(), client.Request{
		JobID:       "nightly-training",
		JobType:     client.ModelTraining,
		Trigger:     client.Scheduled,
		ScheduleRef: owner.FollowActive("nightly"),
		Lease:       6 * time.Second,
	})
	if err != nil {
		fmt.Println("it does not run:", err)
		return
	}
	defer run.Close()

	owner.DeleteAll()
	<-run.Context().Done() // here the job works until then

	cause := context.Cause(run.Context())
	if refused, ok := errors.AsType[*client.RefusedError](cause); ok {
		fmt.Println("stopped:", refused.Decision.Reason)
	}
	// Output: stopped: key_deleted
}

// A scheduler asks about all jobs that are due at once.
func ExampleClient_AuthorizeBatch() {
	service := clienttest.NewServer()
	defer service.Close()
	ada, bob := service.AddOwner("account-1", "IBMid-1"), service.AddOwner("account-1", "IBMid-2")
	bob.DeleteAll()

	var requests []client.Request
	for _, owner := range []*clienttest.Owner{ada, bob} {
		requests = append(requests, client.Request{
			JobID:   "report-" + owner.Ref().IAMID,
			JobType: client.Pipeline,
			Trigger: client.Scheduled,
			Owner:   owner.Ref(),
		})
	}
	decisions, err := service.Client().AuthorizeBatch(context.Background(), requests)
	if err != nil {
		fmt.Println("some were not decided:", err)
	}
	for i, decision := range decisions {
		fmt.Println(requests[i].JobID, decision.Allowed, decision.Reason)
	}
	// Output:
	// report-IBMid-1 true key_active
	// report-IBMid-2 false no_active_key
}

// A source that keeps its token until the service refuses it.
func ExampleTokenFunc() {
	issued := 0
	newToken := func(context.Context) (string, error) { // asks the issuer
		issued++
		return fmt.Sprint("token-", issued), nil
	}

	var mu sync.Mutex
	var kept string
	tokens := client.TokenFunc(func(ctx context.Context, refused string) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		// Not merely when something was refused: another goroutine may have
		// replaced that token already.
		if kept == "" || kept == refused {
			token, err := newToken(ctx)
			if err != nil {
				return "", err
			}
			kept = token
		}
		return kept, nil
	})

	first, _ := tokens.Token(context.Background(), "")
	same, _ := tokens.Token(context.Background(), "")
	other, _ := tokens.Token(context.Background(), first)
	fmt.Println(first, same, other)
	// Output: token-1 token-1 token-2
}

func tokenOfThisRunner(context.Context, string) (string, error) { return "", errors.ErrUnsupported }

func train(context.Context) error { return nil }
