// Package dynamodblocal runs the store's contract and the proofs on DynamoDB
// Local, the engine that Amazon itself makes for tests: what the engine in memory
// (shared/store/storetest) and the emulator were written to imitate. make test
// starts it when there is a Java to run it; docs/divergences.md tells what differs.
package dynamodblocal
