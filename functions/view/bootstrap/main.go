// Command bootstrap is the Lambda function view.
package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/userapikey/service/functions/view"
	"github.com/userapikey/service/shared/function"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	env := function.New(os.Getenv, os.Stdout, time.Now, rand.Reader)
	handler := view.New(env.Verifier(), env.Store(), env.RotationPolicy(), env.Now, env.Log)
	if err := env.Err(); err != nil {
		return err
	}
	lambda.Start(handler.Handle)
	return nil
}
