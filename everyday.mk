# Everyday tools, for a deployment that runs; the Makefile includes this file.
# Their variables are no `?=`: the environment means something else by ENV and TIME.
# TOKEN is one: a token is better kept out of command lines.

#: logs, invoke-, redrive, load: the file that describes the deployment; else what make up wrote
ENV := $(if $(filter build/stack,$(STACK)),build/local.env,$(STACK).env)
#: logs: only this function's, such as view
FUNCTION :=
#: logs: begin so many seconds back
SINCE := 60
#: invoke-: the file to send, such as events/view.json
EVENT :=
#: invoke-: the bearer token to send; else a fresh one of the local issuer
TOKEN ?=
#: redrive: delete this message, by its id, without announcing anything
FORGET :=
#: restore: the restored table
TABLE :=
#: restore: the beginning of the secrets' names, user-api-key/<stack>
SECRETS :=
#: restore: the instant that the table was restored to, such as 2026-11-02T16:45:00Z
TO :=
#: restore: 1 makes the changes; else they are only counted
APPLY :=
#: load: requests a second
RATE := 50
#: load: for how long
TIME := 30s
#: load: how many users the requests are about
OWNERS := 100
#: load: more flags; FLAGS=-help explains them, and what is checked
FLAGS :=

.PHONY: logs invoke redrive restore table-template load

logs: have-python ## follow the functions' logs until Ctrl-C
	@exec $(PYTHON) localstack/logs.py --env '$(ENV)' --since '$(SINCE)' $(FUNCTION)

invoke: have-python ## list the commands that invoke functions, one for each event in events/
	@exec $(PYTHON) localstack/invoke.py

invoke-%: have-python ## invoke one with the event EVENT and print its answer
	@exec $(PYTHON) localstack/invoke.py --env '$(ENV)' '$*' $(if $(EVENT),'$(EVENT)')

redrive: have-python ## announce again what ended in the relay's queue of dead letters
	@exec $(PYTHON) localstack/redrive.py --env '$(ENV)' $(if $(FORGET),--forget '$(FORGET)')

restore: have-go ## after the table was restored: drop keys that their secrets contradict
	@$(HOST_BUILD) build/restore ./cmd/restore
	@exec build/restore -table '$(TABLE)' -prefix '$(SECRETS)' -to '$(TO)' $(if $(APPLY),-apply)

table-template: have-python ## print the template of the table alone, for a stack that adopts a restored one
	@exec $(PYTHON) localstack/table_template.py

load: have-go ## send creates, rotations, views and decisions; check the answers, print latencies
	@$(HOST_BUILD) build/load ./localstack/load
	@exec build/load -env '$(ENV)' -rate '$(RATE)' -time '$(TIME)' -owners '$(OWNERS)' $(FLAGS)
