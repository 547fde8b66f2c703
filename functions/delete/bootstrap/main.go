// Command bootstrap is the Lambda function delete.
package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/userapikey/service/functions/delete"
	"github.com/userapikey/service/shared/function"
	"github.com/userapikey/service/shared/function/keys"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	env := function.New(os.Getenv, os.Stdout, time.Now, rand.Reader)
	handler := delete.New(env.Verifier(), keys.Service(env), env.RotationPolicy(), env.Log)
	if err := env.Err(); err != nil {
		return err
	}
	lambda.Start(handler.Handle)
	return nil
}
