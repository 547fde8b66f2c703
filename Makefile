# The commands of this project. `make help` lists them, and the variables that
# `#:` explains.

GO     ?= go
PYTHON ?= python3

#: run, up: MiniStack's port; the issuer of tokens has the next
PORT ?= 4566
#: build: the processor to build for, arm64 or amd64
ARCH ?= arm64
#: run: set it to end after the walk-through
ONCE ?=
#: run, up, down, logs, invoke-, redrive, load: the local stack's folder
STACK ?= build/stack

# When the person began to wait.
STARTED_AT := $(shell date +%s)

# The folders of stacks that run, or were killed; SAM local is no stack that down stops.
STACKS = $(patsubst %/stack.json,%,$(filter-out build/sam-local/%,$(wildcard build/*/stack.json)))

FUNCTIONS := $(patsubst functions/%/bootstrap/main.go,%,$(wildcard functions/*/bootstrap/main.go))
# Without the old RPC mode of Lambda's library, and without HTTP/2, which nothing
# needs that a function calls. Without the commit too, and without flags from
# outside: the same sources and the same Go make the same bytes (`make reproducible`).
LAMBDA_BUILD := GOFLAGS= CGO_ENABLED=0 $(GO) build -tags lambda.norpc,nethttpomithttp2 -trimpath -buildvcs=false -ldflags "-s -w"
HOST_BUILD := CGO_ENABLED=0 $(GO) build -trimpath -o
ISSUER_BUILD := CGO_ENABLED=0 $(GO) build -C localstack/issuer -trimpath -o

.DEFAULT_GOAL := help
# The go command's own cache knows what is out of date.
.PHONY: help build build-local run up down clean have-go have-python startable

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / { sub("%", "<function>", $$1); printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@awk '/^#: / { text = substr($$0, 4); next } \
		text { printf "  %-22s %s\n", $$1 "=" ($$3 ~ /^[$$]/ ? "" : $$3), text; text = "" }' $(MAKEFILE_LIST)

build: have-go ## build every function for AWS into build/lambda
	@for function in $(FUNCTIONS); do \
		echo "  building $$function for linux/$(ARCH)"; \
		GOOS=linux GOARCH=$(ARCH) GOAMD64=v1 GOARM64=v8.0 $(LAMBDA_BUILD) -o build/lambda/$$function/bootstrap ./functions/$$function/bootstrap || exit 1; \
	done
	@# An archive has dates and modes in it as well.
	@chmod 755 build/lambda/*/bootstrap && touch -t 198001010000 build/lambda/*/bootstrap

build-local: have-go ## build the functions and the local tools for this machine
	@for function in $(FUNCTIONS); do \
		echo "  building $$function"; \
		$(LAMBDA_BUILD) -o build/local/$$function/bootstrap ./functions/$$function/bootstrap || exit 1; \
	done
	@echo "  building the sample backend, the issuer, token and walkthrough"
	@$(LAMBDA_BUILD) -o build/local/sample-backend/bootstrap ./localstack/sample-backend
	@$(HOST_BUILD) build/walkthrough ./localstack/walkthrough
	@$(ISSUER_BUILD) ../../build/issuer ./cmd/issuer
	@$(ISSUER_BUILD) ../../build/token ./cmd/token

run: startable build-local ## start everything, walk through the main job, serve until Ctrl-C
	@exec $(PYTHON) localstack/stack.py run --dir $(STACK) --port $(PORT) --started-at $(STARTED_AT) $(if $(ONCE),--once)

up: startable build-local ## start the same in the background, or deploy to it again; writes build/local.env
	@exec $(PYTHON) localstack/stack.py up --dir $(STACK) --port $(PORT)

down: have-python ## stop what up started and remove what it left
	@exec $(PYTHON) localstack/stack.py down --dir $(STACK)

clean: have-python ## stop every stack and remove everything that was built or installed here
	@for folder in $(sort $(STACK) $(STACKS)); do $(PYTHON) localstack/stack.py down --dir $$folder || exit 1; done
	@rm -rf build .venv

have-go:
	@command -v $(GO) >/dev/null || { echo "Go is missing; install it from https://go.dev/dl (see go.mod for the version)." >&2; exit 1; }

have-python:
	@command -v $(PYTHON) >/dev/null || { echo "Python is missing; the local stack needs Python 3.11 or newer as $(PYTHON)." >&2; exit 1; }

# Before anything is built, so that nobody waits for the build only to be refused.
startable: have-python
	@$(PYTHON) localstack/stack.py check --dir $(STACK) --port $(PORT)

# Tests and checks.
include checks.mk
# Tools for a deployment that runs.
include everyday.mk
# The same with SAM CLI and LocalStack.
include sam.mk
