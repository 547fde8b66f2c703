// Package httpapi is the HTTP side of every function behind API Gateway: it
// takes the gateway's typed event, finds the route, has the caller verified,
// and writes JSON or RFC 9457 problem details.
//
// Identity comes from the Authorization header alone, verified here; headers
// or context that a client or gateway adds are never trusted for it.
package httpapi
