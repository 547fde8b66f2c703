# SAM local with LocalStack; the Makefile includes this file. It needs Docker, so it
# is part of no other target.

#: sam-local: the API's port; the issuer has the next, Lambda's API the one after
SAM_PORT ?= 3000
#: sam-local: the port of the LocalStack that is started
LOCALSTACK_PORT ?= 4566
#: sam-local: the address of a LocalStack that runs already; none is started then
LOCALSTACK_ENDPOINT ?=
#: sam-local: its address for containers, if that is another
LOCALSTACK_ENDPOINT_IN_CONTAINER ?=
#: sam-local: another SAM CLI than the pinned one, which is installed into .venv/sam
SAM ?=

SAM_LOCAL = $(PYTHON) -B localstack/python_environment.py localstack/sam_local.py
SAM_LOCAL_FLAGS = --port '$(SAM_PORT)' --localstack-port '$(LOCALSTACK_PORT)' --endpoint '$(LOCALSTACK_ENDPOINT)' \
	--endpoint-in-container '$(LOCALSTACK_ENDPOINT_IN_CONTAINER)' $(if $(SAM),--sam '$(SAM)')
SAM_INSTALLED := $(if $(SAM),,.venv/sam/complete)

.PHONY: sam-local sam-local-test build-sam have-sam-local

sam-local: have-sam-local build-sam $(SAM_INSTALLED) ## serve the API with SAM local, its data in LocalStack, until Ctrl-C
	@exec $(SAM_LOCAL) serve $(SAM_LOCAL_FLAGS)

sam-local-test: have-sam-local build-sam $(SAM_INSTALLED) ## run the walk-through, the end-to-end tests and events/ through it
	@exec $(SAM_LOCAL) test $(SAM_LOCAL_FLAGS)

# SAM's containers are Linux, on this machine's processor. What starts there is
# localstack/sam-bootstrap, which then becomes the function.
build-sam: have-go
	@arch=$$($(GO) env GOARCH); \
	for function in $(FUNCTIONS); do \
		echo "  building $$function for linux/$$arch"; \
		GOOS=linux GOARCH=$$arch $(LAMBDA_BUILD) -o build/sam/$$function/function ./functions/$$function/bootstrap && \
		GOOS=linux GOARCH=$$arch $(LAMBDA_BUILD) -o build/sam/$$function/bootstrap ./localstack/sam-bootstrap || exit 1; \
	done
	@echo "  building the issuer, token and walkthrough"
	@$(HOST_BUILD) build/walkthrough ./localstack/walkthrough
	@$(ISSUER_BUILD) ../../build/issuer ./cmd/issuer
	@$(ISSUER_BUILD) ../../build/token ./cmd/token

# Before anything is built, so that nobody waits for the build only to be refused.
have-sam-local: have-python
	@$(PYTHON) -B localstack/sam_prerequisites.py $(SAM_LOCAL_FLAGS)
