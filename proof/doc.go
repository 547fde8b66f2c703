// Package proof shows that the product's promises hold when everything goes
// wrong. Each check is a function over a backend, so that it runs on engines in
// memory and on a deployed table alike:
//
//   - [Matrix]: every operation, with every one of its remote calls failing in
//     every way; [ClockMatrix] is that of sweep and relay;
//   - [Linearizable]: concurrent histories, with lost answers among them, each
//     explained by a model of the product page;
//   - [ZeroStale]: decisions about an old credential while it is rotated away
//     and deleted;
//   - [Deaths]: the process of every change dying after each of its remote calls,
//     and the relay disturbed at each of its own;
//   - [Sequences]: random changes, one after the other, with random calls failing,
//     against a model of the product page, and repair after each;
//   - [Search]: credentials, in every form, where none may be.
//
// A new operation of the product is one more entry in [operations], which the
// matrix then covers, and one more step of the model. One that changes keys is one
// more kind of work to die in, and one more step of the sequences.
package proof
