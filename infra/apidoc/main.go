// Command apidoc writes the API reference, docs/api.md, from the contract.
package main

import (
	"fmt"
	"os"

	"github.com/pb33f/libopenapi"
)

//go:generate go run . ../openapi.yaml ../../docs/api.md

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "apidoc: name the contract, and the file to write")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "apidoc:", err)
		os.Exit(1)
	}
}

func run(contract, reference string) error {
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
	return os.WriteFile(reference, written, 0o644)
}
