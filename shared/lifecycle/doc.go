// Package lifecycle is the four operations of the product on real state: create,
// rotate, delete one, delete all. It orders what the domain decides, what the
// key store commits and what Secrets Manager holds, for every caller alike: the
// functions behind the API now, the clock and the administrator's off-boarding
// as they come.
//
// The order of writes: material first, then the commit, then the staging
// labels. The commit in the key store is the only decision. What comes before
// it can be left behind, what comes after it is repair and changes no answer.
package lifecycle
