// Command sam-bootstrap starts a function in a container of SAM local, beside
// what SAM local has not. It is the bootstrap there, in a folder with the binary
// function and the folder issuer.
//
//   - Functions take an issuer without https on their own loopback only, where
//     nobody can come between, and the local issuer is not on a container's. So
//     copies of what it publishes (issuer/) are served there, at its address.
//   - SAM local gives every request the same id, by which the service takes each
//     for the first one delivered again. So each gets an id of its own, where API
//     Gateway has one too.
//
// A process of its own does both, and this one becomes the function.
package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const (
	// serve is this command's argument when it is the process that serves.
	serve = "serve"
	// What that process gets beside its standard files, in this order.
	issuerFile, runtimeFile = 3, 4

	runtimeVariable = "AWS_LAMBDA_RUNTIME_API"
	headerTimeout   = 10 * time.Second
)

func main() {
	folder := cmp.Or(os.Getenv("LAMBDA_TASK_ROOT"), ".")
	run := start
	if len(os.Args) > 1 && os.Args[1] == serve {
		run = answer
	}
	if err := run(folder); err != nil {
		fmt.Fprintln(os.Stderr, "sam-bootstrap:", err)
		os.Exit(1)
	}
}

// start listens, hands that to the process that serves, and becomes the
// function. What the function asks meanwhile waits.
func start(folder string) error {
	issuer, err := url.Parse(os.Getenv("ISSUER_URL"))
	if err != nil {
		return err
	}
	published, _, err := listen(issuer.Host)
	if err != nil {
		return err
	}
	runtime, address, err := listen("127.0.0.1:0")
	if err != nil {
		return err
	}
	server := exec.CommandContext(context.Background(), os.Args[0], serve) //nolint:gosec // this program itself
	server.Stderr = os.Stderr
	server.ExtraFiles = []*os.File{published, runtime}
	if err := server.Start(); err != nil {
		return err
	}
	if err := os.Setenv(runtimeVariable, address); err != nil {
		return err
	}
	function := filepath.Join(folder, "function")
	return syscall.Exec(function, []string{function}, os.Environ()) //nolint:gosec // the one beside this
}

func listen(address string) (file *os.File, listening string, err error) {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, "", err
	}
	file, err = listener.(*net.TCPListener).File()
	return file, listener.Addr().String(), err
}

// answer serves both until the container ends.
func answer(folder string) error {
	failed := make(chan error)
	for file, handler := range map[uintptr]http.Handler{
		issuerFile:  documents(folder),
		runtimeFile: withOwnIDs(os.Getenv(runtimeVariable)),
	} {
		listener, err := net.FileListener(os.NewFile(file, "listener"))
		if err != nil {
			return err
		}
		server := http.Server{Handler: handler, ReadHeaderTimeout: headerTimeout}
		go func() { failed <- server.Serve(listener) }()
	}
	return <-failed
}

// documents are the copies of what the issuer publishes.
func documents(folder string) http.Handler {
	return http.FileServer(http.Dir(filepath.Join(folder, "issuer")))
}
