// Package jobauth decides whether a job may run: it holds the rules of job
// authorization and does no I/O.
//
// A request names the key in exactly one way. [Request.Prepare] checks its form,
// [Question.Needs] tells what the decision needs to know, if anything, and
// [Question.Decide] answers from that. A decision is never guessed: who cannot read
// what it needs has no decision.
package jobauth
