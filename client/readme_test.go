package client_test

import (
	"os"
	"strings"
	"testing"
)

// The README's lines are compiled, being those of an example.
func TestTheREADMEsCodeIsThatOfTheExample(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(readme), "## From a job runner written in Go\n")
	if !found {
		t.Fatal("the README has no such section")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var code strings.Builder
	for line := range strings.Lines(section) {
		if text, indented := strings.CutPrefix(line, "    "); indented {
			// In the example it stands within a function of a function.
			code.WriteString("\t\t" + text)
		}
	}
	if code.Len() == 0 || !strings.Contains(string(source), code.String()) {
		t.Errorf("example_test.go does not have the lines of the README:\n%s", code.String())
	}
}
