package apikey

// Suspend deletes every key of the owner and keeps new ones from being made,
// until Reinstate. Of an owner who is suspended already it changes nothing: the
// event is nil.
func (r Ring) Suspend(c Command) (Ring, *Event) {
	if r.Suspended {
		return r, nil
	}
	next := r.next()
	deleted := next.deleteAll(c)
	next.Suspended = true
	event := next.event(c, EventOwnerSuspended, deleted...)
	event.SecretARN = r.SecretARN
	return next, &event
}

// MayAdminister refuses an administrator who was off-boarded: a token that is
// still valid must not undo that, nor off-board the others. Errors:
// owner_suspended.
func (r Ring) MayAdminister() error {
	if r.Suspended {
		return refuse(CodeOwnerSuspended, "You were off-boarded, and administer nobody until another administrator ends the suspension.")
	}
	return nil
}

// Reinstate ends a suspension. Without one it changes nothing: the event is nil.
func (r Ring) Reinstate(c Command) (Ring, *Event) {
	if !r.Suspended {
		return r, nil
	}
	next := r.next()
	next.Suspended = false
	event := next.event(c, EventOwnerReinstated)
	return next, &event
}
