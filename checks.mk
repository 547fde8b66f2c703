# Tests and checks; the Makefile includes this file.

# Every Go module but the tools' own, whose code is not ours.
MODULES := $(shell find . -name go.mod -not -path './tools/*' -not -path './build/*' -not -path './.*/*' | sed 's,^./,,' | xargs -n 1 dirname | sort)
GO_TOOL := $(GO) tool -modfile="$(CURDIR)/tools/go.mod"

#: fuzz: how long each test runs
FUZZTIME ?= 20s
#: bench: how long each benchmark runs
BENCHTIME ?= 0.5s
#: fuzz-api: another seed than the usual one
SEED ?=
#: vulncheck: another address of the vulnerability database, such as a mirror
GOVULNDB ?=

# What CloudFormation gets.
TEMPLATES := template.yaml infra/protected-api.yaml infra/alarms.yaml

# For the scripts in tools/.
export GO

.PHONY: test prove fuzz fuzz-api bench lint vulncheck drift reproducible sbom

test: have-python build-local ## run every test: units, properties, contracts, then end to end on a stack of its own
	@echo "== the local stack's scripts"
	@$(PYTHON) -B localstack/python_environment.py -m unittest discover -s localstack -p '*_test.py'
	@exec $(PYTHON) tools/run_tests.py $(MODULES)

prove: have-python build-local ## run the proofs (proof/) in their long form: thousands of concurrent histories
	@exec $(PYTHON) tools/run_tests.py --prove

# Making what is new shorter takes a minute each else, in which nothing is tried.
fuzz: have-go ## run each fuzz test for FUZZTIME
	@for module in $(MODULES); do \
		tests=$$(cd $$module && $(GO) test -list '^Fuzz' ./...) || { echo "$$tests"; exit 1; }; \
		echo "$$tests" | awk '/^Fuzz/ { names = names " " $$1 } /^ok/ { if (names) print $$2 names; names = "" }' | \
		while read -r package names; do \
			for name in $$names; do \
				echo "== $$package $$name"; \
				(cd $$module && $(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$package </dev/null) || exit 1; \
			done; \
		done || exit 1; \
	done

fuzz-api: build-local .venv/schemathesis/complete ## hold the API of a local stack to its contract, with requests made up by schemathesis
	@exec $(PYTHON) tools/fuzz_api.py $(SEED)

bench: have-go ## measure decisions, tokens and parsers, with allocations; for benchstat: build/bench.txt
	@mkdir -p build
	@echo "Measuring; this takes about half a minute."
	@$(GO) test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) -cpu 1 ./shared/... ./functions/... >build/bench.txt || { cat build/bench.txt; exit 1; }
	@awk -f tools/bench.awk build/bench.txt

lint: have-go .venv/sam/complete .venv/checkov/complete ## check style, layering and the templates
	@status=0; \
	for module in $(MODULES); do \
		echo "== golangci-lint, $$module"; \
		(cd $$module && $(GO_TOOL) golangci-lint run ./...) || status=1; \
	done; \
	echo "== layout"; \
	$(PYTHON) tools/layout.py $(MODULES) || status=1; \
	echo "== sam validate --lint"; \
	for template in $(TEMPLATES); do \
		HOME="$(CURDIR)/.venv/sam" SAM_CLI_TELEMETRY=0 .venv/sam/bin/sam validate --lint --template-file $$template || status=1; \
	done; \
	echo "== cfn-lint"; \
	HOME="$(CURDIR)/.venv/sam" .venv/sam/bin/cfn-lint --include-checks I --non-zero-exit-code informational -- $(TEMPLATES) || status=1; \
	echo "== checkov"; \
	HOME="$(CURDIR)/.venv/checkov" .venv/checkov/bin/checkov --config-file .checkov.yaml --file $(TEMPLATES) infra/openapi.yaml || status=1; \
	exit $$status

# The stamp is made last, so that an installation that was broken off is repeated.
.venv/%/complete: tools/requirements-%.txt | have-python
	@echo "Installing the tools of $< into .venv/$* (once)"
	@rm -rf .venv/$*
	@$(PYTHON) -m venv .venv/$*
	@.venv/$*/bin/python -m pip install --quiet --no-input --disable-pip-version-check --requirement $<
	@touch $@

# Status 3 is a vulnerability; no way to the database is not one.
vulncheck: have-go ## look for known vulnerabilities in what is linked
	@mkdir -p build
	@for module in $(MODULES); do \
		echo "== govulncheck, $$module"; \
		$(GO_TOOL) govulncheck $(if $(GOVULNDB),-db "$(GOVULNDB)") -C $$module ./... 2>build/vulncheck.log && continue; \
		status=$$?; \
		if grep -Eq '^govulncheck: (fetching vulnerabilities|creating client):' build/vulncheck.log; then \
			echo "vulnerability check NOT run: the database is out of reach"; \
			exit 0; \
		fi; \
		cat build/vulncheck.log >&2; \
		exit $$status; \
	done

drift: have-go have-python ## check that what is generated is what the sources generate
	@$(PYTHON) tools/drift.py $(MODULES)

reproducible: have-go .venv/sam/complete ## check that the functions are the same bytes wherever they are built
	@$(PYTHON) tools/reproducible.py "$(CURDIR)/.venv/sam/bin/python"

# From the binaries: what is really in them. The commit is not in them, and so is told.
sbom: build ## list the modules in each function (CycloneDX), into build/sbom
	@mkdir -p build/sbom
	@version=$$(git describe --always --dirty 2>/dev/null); \
	for function in $(FUNCTIONS); do \
		$(GO_TOOL) cyclonedx-gomod bin -json -std -noserial -notimestamp $${version:+-version "$$version"} \
			-output build/sbom/$$function.json build/lambda/$$function/bootstrap || exit 1; \
	done; \
	echo "build/sbom has a bill of materials for each function."
