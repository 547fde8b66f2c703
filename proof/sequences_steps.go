package proof

import (
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/lifecycle"
)

// underSequences is the policy that the clock goes by in sequences.
var underSequences = apikey.RotationPolicy{MaxAgeDays: 90, NoticeDays: 14, DeletePhasedOutAfterDays: 30}

func (l *life) createKey(rt *rapid.T) {
	var issued lifecycle.Issued
	err := l.ask(rt, apikey.ActorUser, func(r apikey.ChangeRequest) (err error) {
		issued, err = l.process.Keys.Create(l.ctx, r)
		return err
	})
	code := apikey.CodeActiveKeyExists
	if l.suspended {
		code = apikey.CodeOwnerSuspended
	}
	refusedIf(rt, err, l.suspended || l.hasActive(), code)
	l.settle(rt, err, func(ring apikey.Ring) { l.becomesActive(rt, ring, issued.Key.ID) })
}

func (l *life) rotateKey(rt *rapid.T) {
	var issued lifecycle.Issued
	err := l.ask(rt, apikey.ActorUser, func(r apikey.ChangeRequest) (err error) {
		issued, err = l.process.Keys.Rotate(l.ctx, r)
		return err
	})
	refusedIf(rt, err, !l.hasActive(), apikey.CodeNoActiveKey)
	l.settle(rt, err, func(ring apikey.Ring) { l.isRotated(rt, ring, issued.Key.ID) })
}

func (l *life) deleteSome(rt *rapid.T) {
	id := l.somePhasedOut(rt, apikey.KeyID{})
	err := l.ask(rt, apikey.ActorUser, func(r apikey.ChangeRequest) error {
		_, err := l.process.Keys.DeleteOne(l.ctx, r, id)
		return err
	})
	refusedIf(rt, err, len(l.phasedOut) == 0, apikey.CodeKeyNotFound)
	l.settle(rt, err, func(apikey.Ring) { l.isDeleted(id) })
}

func (l *life) isDeleted(id apikey.KeyID) {
	l.phasedOut = slices.DeleteFunc(l.phasedOut, func(other apikey.KeyID) bool { return other == id })
}

func (l *life) deleteKeys(rt *rapid.T) {
	err := l.ask(rt, apikey.ActorUser, func(r apikey.ChangeRequest) error {
		_, err := l.process.Keys.DeleteAll(l.ctx, r)
		return err
	})
	refusedIf(rt, err, false, "none")
	l.settle(rt, err, func(apikey.Ring) { l.noKeys() })
}

func (l *life) rotateByTheClock(rt *rapid.T) {
	l.pass(91 * 24 * time.Hour)
	rotated := false
	err := l.ask(rt, apikey.ActorSchedule, func(r apikey.ChangeRequest) (err error) {
		rotated, err = l.process.Keys.RotateDue(l.ctx, r, underSequences, l.active)
		return err
	})
	refusedIf(rt, err, false, "none")
	if err == nil && rotated != l.hasActive() {
		rt.Fatalf("rotated: %t, and a key was due: %t", rotated, l.hasActive())
	}
	l.settle(rt, err, func(ring apikey.Ring) {
		if rotated || err != nil {
			l.isRotated(rt, ring, apikey.KeyID{})
		}
	})
}

func (l *life) deleteByTheClock(rt *rapid.T) {
	l.pass(31 * 24 * time.Hour)
	id := l.somePhasedOut(rt, l.active) // the Active key it never deletes
	deleted := false
	err := l.ask(rt, apikey.ActorSchedule, func(r apikey.ChangeRequest) (err error) {
		deleted, err = l.process.Keys.DeleteUnused(l.ctx, r, underSequences, id)
		return err
	})
	refusedIf(rt, err, false, "none")
	if isPhasedOut := slices.Contains(l.phasedOut, id); err == nil && deleted != isPhasedOut {
		rt.Fatalf("deleted: %t, and the key was Phased out: %t", deleted, isPhasedOut)
	}
	l.settle(rt, err, func(apikey.Ring) { l.isDeleted(id) })
}

func (l *life) suspend(rt *rapid.T) {
	err := l.ask(rt, apikey.ActorAdministrator, func(r apikey.ChangeRequest) error {
		_, err := l.process.Keys.Suspend(l.ctx, r)
		return err
	})
	refusedIf(rt, err, l.revision == 0, apikey.CodeUserNotFound)
	l.settle(rt, err, func(apikey.Ring) { l.noKeys(); l.suspended = true })
}

func (l *life) reinstate(rt *rapid.T) {
	err := l.ask(rt, apikey.ActorAdministrator, func(r apikey.ChangeRequest) error {
		_, err := l.process.Keys.Reinstate(l.ctx, r)
		return err
	})
	refusedIf(rt, err, l.revision == 0, apikey.CodeUserNotFound)
	l.settle(rt, err, func(apikey.Ring) { l.suspended = false })
}

// refusedIf fails when a change that the model refuses was made, or was refused
// with another code.
func refusedIf(rt *rapid.T, err error, refused bool, code apikey.Code) {
	switch apikey.CodeOf(err) {
	case apikey.CodeUnavailable, apikey.CodeRotationRateExceeded, apikey.CodeTooManyPhasedOutKeys:
	case code:
		if !refused {
			fail(rt, "refused", err)
		}
	case "":
		if refused {
			rt.Fatalf("not refused with %s", code)
		}
	default:
		fail(rt, "refused with another code", err)
	}
}

// check wants the ring to be what the model says, and repair to bring the secret
// to it.
func (l *life) check(rt *rapid.T) {
	ring := l.ringNow(rt)
	found := life{suspended: ring.Suspended}
	if ring.Active != nil {
		found.active = ring.Active.ID
	}
	for _, key := range ring.PhasedOut {
		found.phasedOut = append(found.phasedOut, key.ID)
	}
	if found.active != l.active || found.suspended != l.suspended || !slices.Equal(found.phasedOut, l.phasedOut) {
		fail(rt, "the ring is not what the model says", fmt.Errorf("it has Active %s, Phased out %s, suspended %t; the model: %s, %s, %t",
			found.active, found.phasedOut, found.suspended, l.active, l.phasedOut, l.suspended))
	}
	if err := l.backend.Repair(l.ctx, l.owner); err != nil {
		fail(rt, "the secret cannot be repaired", err)
	}
	if err := l.material(ring, true); err != nil {
		fail(rt, "repair did not bring the secret to the ring", err)
	}
}
