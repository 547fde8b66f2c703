// Package lifecycle is the operations of the product on real state: create, rotate,
// delete one, delete all, suspend, and what follows a restore. It orders what the
// domain decides, what the key store commits and what Secrets Manager holds, for
// every caller alike: the functions behind the API, the clock, and whoever restores
// the table.
//
// The order of writes: material first, then the commit, then the staging
// labels. The commit in the key store is the only decision. What comes before
// it can be left behind, what comes after it is repair and changes no answer.
package lifecycle
