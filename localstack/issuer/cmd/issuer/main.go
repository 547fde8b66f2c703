// Command issuer serves the local stack's OpenID issuer on a loopback address.
package main

import (
	"crypto/rand"
	"flag"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/userapikey/service/localstack/issuer"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:4567", "loopback `address` to serve on")
	flag.Parse()
	if err := run(*listen); err != nil {
		fmt.Fprintln(os.Stderr, "issuer:", err)
		os.Exit(1)
	}
}

func run(listen string) error {
	tokens, err := issuer.New(listen, rand.Reader, time.Now)
	if err != nil {
		return err
	}
	server := &http.Server{
		Addr:              listen,
		Handler:           tokens.Handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	return server.ListenAndServe()
}
