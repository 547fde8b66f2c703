# Everyday tools, for a deployment that runs; the Makefile includes this file.

# What describes the deployment: what `make up` wrote, or a file of your own.
# These are no `?=`: the environment means something else by ENV and TIME.
ENV := $(if $(filter build/stack,$(STACK)),build/local.env,$(STACK).env)
# The functions to follow; all when none is named.
FUNCTION :=
# From how many seconds back.
SINCE := 60
# What to invoke a function with.
EVENT :=
# How many requests a second, how long, and of how many owners.
RATE := 50
TIME := 30s
OWNERS := 100

.PHONY: logs invoke load

logs: have-python ## follow the functions' logs until Ctrl-C (FUNCTION=view: only that one's)
	@exec $(PYTHON) localstack/logs.py --env '$(ENV)' --since '$(SINCE)' $(FUNCTION)

invoke: have-python ## list the events; make invoke-<function> EVENT=events/... sends one and prints the answer
	@exec $(PYTHON) localstack/invoke.py

invoke-%: have-python
	@exec $(PYTHON) localstack/invoke.py --env '$(ENV)' '$*' $(if $(EVENT),'$(EVENT)')

load: have-go ## send RATE requests a second for TIME about OWNERS owners, check the answers, print latencies
	@$(HOST_BUILD) build/load ./localstack/load
	@exec build/load -env '$(ENV)' -rate '$(RATE)' -time '$(TIME)' -owners '$(OWNERS)'
