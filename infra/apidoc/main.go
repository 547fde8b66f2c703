// Command apidoc writes the API reference from the contract.
package main

import (
	"fmt"
	"os"

	"github.com/pb33f/libopenapi"
)

//go:generate go run .

// As `go generate` runs it, from its own folder.
const (
	contract   = "../openapi.yaml"
	documented = "../../docs/api.md"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "apidoc:", err)
		os.Exit(1)
	}
}

func run() error {
	text, err := os.ReadFile(contract)
	if err != nil {
		return err
	}
	document, err := libopenapi.NewDocument(text)
	if err != nil {
		return err
	}
	model, err := document.BuildV3Model()
	if err != nil {
		return err
	}
	written, err := newReference(&model.Model).write()
	if err != nil {
		return err
	}
	return os.WriteFile(documented, written, 0o644) //nolint:gosec // anybody may read the documentation
}
