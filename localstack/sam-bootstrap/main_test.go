package main

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// inContainer marks the processes that TestFunctionFindsTheIssuerOnItsLoopback
// starts, all of them this test's own binary.
const inContainer = "SAM_BOOTSTRAP_TEST"

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(inContainer) == "":
		os.Exit(m.Run())
	case filepath.Base(os.Args[0]) == "function":
		ask(os.Getenv("ISSUER_URL"))
	default:
		main()
	}
}

// ask is what the function does: it tells what it finds at the issuer's address.
func ask(issuerURL string) {
	for _, path := range []string{"/.well-known/openid-configuration", "/jwks"} {
		response, err := http.Get(issuerURL + path)
		if err != nil {
			_, _ = os.Stdout.WriteString(err.Error())
			return
		}
		_, _ = io.Copy(os.Stdout, response.Body)
		_ = response.Body.Close()
	}
}

func TestFunctionFindsTheIssuerOnItsLoopback(t *testing.T) {
	folder := t.TempDir()
	write(t, filepath.Join(folder, "issuer", ".well-known", "openid-configuration"), "discovery, ")
	write(t, filepath.Join(folder, "issuer", "jwks"), "keys")
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bootstrap", "function"} {
		if err := os.Symlink(binary, filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	probe, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := probe.Addr().String()
	if err := probe.Close(); err != nil {
		t.Fatal(err)
	}

	var said bytes.Buffer
	command := exec.CommandContext(t.Context(), filepath.Join(folder, "bootstrap"))
	command.Env = append(os.Environ(), inContainer+"=1", "LAMBDA_TASK_ROOT="+folder, "ISSUER_URL=http://"+address)
	command.Stdout = &said
	// The process that serves ends with the container, here with the group.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL) })
	err = command.Wait()
	if got := said.String(); err != nil || !strings.HasSuffix(got, "discovery, keys") {
		t.Errorf("the function found %q, %v", got, err)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
