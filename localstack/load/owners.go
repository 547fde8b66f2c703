package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// atOnce is how many owners are prepared, or cleaned up, at the same time.
	atOnce = 8
	// cleanUpTime bounds the deletion of the keys.
	cleanUpTime = 2 * time.Minute
)

// prepare gets everybody's token, sees what keys there are, and makes sure that
// decisions can be asked for.
func (g *generator) prepare(ctx context.Context, token tokenSource) error {
	account := "load-" + g.name
	g.owners = make([]*owner, g.settings.owners)
	err := each(ctx, len(g.owners), func(ctx context.Context, i int) error {
		p := person{number: i + 1, role: "Administrator", accountID: account, iamID: fmt.Sprintf("IBMid-load-%s-%d", g.name, i+1)}
		text, err := token(ctx, p)
		if err != nil {
			return err
		}
		g.owners[i], err = g.meet(ctx, p, text)
		return err
	})
	if err != nil {
		return err
	}
	if err := g.checkDifferent(); err != nil {
		return err
	}
	if err := each(ctx, len(g.owners), func(ctx context.Context, i int) error { return g.bind(ctx, g.owners[i]) }); err != nil {
		return err
	}
	g.service.runnerToken, err = token(ctx, person{role: "JobRunner", accountID: account, iamID: "load-job-runner"})
	if err != nil {
		return err
	}
	a, err := g.service.decide(ctx, g.owners[0].naming())
	if err == nil && a.status != http.StatusOK {
		err = fmt.Errorf("the job runner is refused: %s", a.outcome())
	}
	return err
}

// meet makes an owner of a token. Who it is, only the service needs to know how
// to read.
func (g *generator) meet(ctx context.Context, p person, token string) (*owner, error) {
	o := &owner{token: token}
	a, err := g.service.view(ctx, o)
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusOK || a.Owner.IAMID == "" {
		return nil, fmt.Errorf("owner %d is not shown their keys: %s", p.number, a.outcome())
	}
	o.accountID, o.iamID = a.Owner.AccountID, a.Owner.IAMID
	o.isNew = a.Revision == 0
	o.known.revision = a.Revision
	if a.Active != nil {
		o.learn(issued{keyID: a.Active.ID, revision: a.Revision})
	}
	return o, nil
}

// scheduleID is the name of the owners' schedules, one that none of them has had.
func (g *generator) scheduleID() string { return "load-" + g.name }

// bind gives the owner a schedule, which is a change of their ring.
func (g *generator) bind(ctx context.Context, o *owner) error {
	a, err := g.service.bind(ctx, o, g.scheduleID())
	if err != nil {
		return err
	}
	if a.status != http.StatusCreated || a.ScheduleRef == "" {
		return fmt.Errorf("no schedule can be bound for %s: %s", shown(o.iamID), a.outcome())
	}
	o.scheduleRef = a.ScheduleRef
	o.known.revision++
	return nil
}

// checkDifferent makes sure that nobody comes twice: what one of the two did
// would look to the other like a broken promise.
func (g *generator) checkDifferent() error {
	numbers := map[[2]string]int{}
	for i, o := range g.owners {
		id := [2]string{o.accountID, o.iamID}
		if first, exists := numbers[id]; exists {
			return fmt.Errorf("the tokens of the owners %d and %d are of the same user; give as many users as owners", first, i+1)
		}
		numbers[id] = i + 1
	}
	return nil
}

// cleanUp deletes the owners' keys and unbinds their schedules.
func (g *generator) cleanUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, cleanUpTime)
	defer cancel()
	var owners []*owner
	for _, o := range g.owners {
		if o.mayHaveKeys() {
			owners = append(owners, o)
		}
	}
	defer func() {
		_ = each(ctx, len(g.owners), func(ctx context.Context, i int) error {
			_, _ = g.service.unbind(ctx, g.owners[i], g.scheduleID()) // one that is left authorizes nothing
			return nil
		})
	}()
	if len(owners) == 0 {
		return
	}
	fmt.Fprintf(g.out, "\nDeleting the keys of %d owner(s); Ctrl-C leaves the rest\n", len(owners))
	isDeleted := make([]bool, len(owners))
	_ = each(ctx, len(owners), func(ctx context.Context, i int) error {
		a, err := g.service.deleteAll(ctx, owners[i])
		isDeleted[i] = err == nil && a.status == http.StatusOK
		return nil
	})
	var left []string
	for i, o := range owners {
		if !isDeleted[i] {
			left = append(left, o.iamID)
		}
	}
	if len(left) > 0 {
		fmt.Fprintf(g.out, "The keys of %d owner(s) could not be deleted, %s among them.\n", len(left), shown(left[0]))
	}
}

func (o *owner) mayHaveKeys() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, hasKey := o.activeAt(o.known.revision)
	return hasKey || o.known.open > 0
}

// each calls the function with 0 to n-1, several at once, until one fails.
func each(ctx context.Context, n int, call func(context.Context, int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var group sync.WaitGroup
	for range min(n, atOnce) {
		group.Go(func() {
			for i := next.Add(1) - 1; i < int64(n) && ctx.Err() == nil; i = next.Add(1) - 1 {
				if err := call(ctx, int(i)); err != nil {
					cancel(err)
				}
			}
		})
	}
	group.Wait()
	return context.Cause(ctx)
}
