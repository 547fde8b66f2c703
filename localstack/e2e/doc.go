// Package e2e is the end-to-end suite: the deployed functions of a local stack,
// through HTTP, with the emulator enforcing each function's role. It runs
// against the stack whose environment file LOCAL_ENV names, as make test does;
// without one it says so and runs nothing.
package e2e
