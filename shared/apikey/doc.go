// Package apikey is the domain of the user API key service: owners, their
// keys, the credential that a key stands for, and the changes a ring of keys
// can go through. It holds every rule of the product about key state and
// imports nothing but the standard library: time and randomness are arguments,
// and nothing here does I/O.
//
// A [Ring] is all keys of one [Owner]. At most one key is Active and
// authorizes jobs; Phased out keys are left over from rotations, authorize
// nothing and wait to be deleted. The four operations of the product are
// methods of Ring that return a new ring and the [Event] that announces the
// change: [Ring.Create], [Ring.Rotate], [Ring.DeleteOne] and [Ring.DeleteAll].
package apikey
