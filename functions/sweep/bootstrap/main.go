// Command bootstrap is the Lambda function sweep.
package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/userapikey/service/functions/sweep"
	"github.com/userapikey/service/shared/function"
	"github.com/userapikey/service/shared/function/clock"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	env := function.New(os.Getenv, os.Stdout, time.Now, rand.Reader)
	handler := &sweep.Sweep{Keys: clock.Keys(env), Deployment: env.RotationPolicy(), Now: env.Now, Log: env.Log}
	if err := env.Err(); err != nil {
		return err
	}
	lambda.Start(handler.Handle)
	return nil
}
