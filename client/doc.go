// Package client is for job runners: it asks the user API key service whether a
// job may run, and keeps asking while the job runs.
//
// [New] makes a [Client] from the service's address and a source of bearer
// tokens, whose role must be JobRunner or PlatformJobRunner.
//
// [Client.Authorize] asks about one job and [Client.AuthorizeBatch] about many.
// The answer is a [Decision]. Run the job only when Allowed is true; an error is
// never a yes. A decision holds for the moment at which it was made: do not keep
// it.
//
// # Jobs that run for long
//
// [Client.StartRun] asks for a job that starts now, and answers a [Run] if it may:
//
//	run, err := service.StartRun(ctx, request)
//	if err != nil {
//		return err // a *RefusedError when the service said no
//	}
//	defer run.Close()
//	return train(run.Context())
//
// The service records the run, so that users see what a deletion of their key
// would break. The record is a lease, an hour unless the request says otherwise,
// and the Run renews it in the background whenever a third of it has passed.
// A rotation of the key does not disturb a run. The run's context ends, and
// [context.Cause] tells why, when
//
//   - the key was deleted, or the service says no to a renewal for another
//     reason: [*RefusedError], with the decision;
//   - no renewal was answered until the lease had run out: [*LeaseLostError];
//   - the caller's context ended: the caller's own cause;
//   - Close was called: [ErrRunClosed].
//
// A deletion is noticed at the next renewal, so a third of the lease is how long
// a job may run on without its key. Choose the lease by that.
//
// # When the service does not answer
//
// That is not a refusal. Authorize and StartRun try again up to three times,
// after network errors, after answers that say the service is at fault (5xx) and
// after a 429 that says when (Retry-After), and then answer the error. The same
// JobID and RunID are the same run however often they are sent, so nothing is
// recorded twice. All waits are spread at random.
//
// A renewal is tried until the lease has run out, whatever the answer, but for
// two: a decision, which counts, and 404 run_not_found. That one means that the
// service has no such run, because it was ended elsewhere or forgotten. The job
// is running all the same, so its request is sent again as it was: when allowed,
// the run goes on; when refused, as it is with a credential that was rotated away
// meanwhile, it ends with a RefusedError.
//
// The lease is measured by the monotonic clock of this machine, from the instant
// at which the request was sent that got it. No clock of the service counts, so
// clocks that differ do no harm; the lease ends here a little before it does there.
// While a machine is suspended, its monotonic clock may stand still, and so does
// the lease here; the first renewal afterwards tells how things are.
//
// # Secrets
//
// A [Credential] shows itself neither to fmt nor to log/slog nor to an encoder.
// No error of this package tells a credential or a token, not even one that was
// repeated by the answer. Requests go over https only, but for loopback
// addresses, and redirects are not followed.
//
// Tests of a runner find a service of their own in package clienttest.
package client
