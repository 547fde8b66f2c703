// Package jobauth decides whether a job may run: it holds the rules of job
// authorization and does no I/O.
//
// A request names the key in exactly one way. [Request.Prepare] checks its form
// and tells which ring the decision needs, if any; [Question.Decide] answers
// from that ring. A decision is never guessed: who cannot read the ring has no
// decision.
package jobauth
