# Waybill's tasks. `make` alone lists them.
.DEFAULT_GOAL := help
GO ?= go
SEED ?= 0
KILLS ?= 100
SEEDS ?= 2000
FIRST ?= 1
STRIKES ?= 20000

help: ## list the tasks
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build ./bin/waybill
	$(GO) build -trimpath -o bin/waybill ./cmd/waybill

demo: ## run the demo: example workspace, simulators and server on loopback
	$(GO) run ./cmd/waybill demo

test: ## run all tests; installs what they need (Chromium, PostgreSQL) from the distribution's packages
	./internal/ci/test.sh

race: ## run the tests under the race detector
	./internal/ci/race.sh

lint: ## golangci-lint, gofumpt, go vet
	./internal/ci/lint.sh

vuln: ## govulncheck, where its database is reachable
	./internal/ci/vuln.sh

fuzz: ## fuzz every target for 20 s
	./internal/ci/fuzz.sh

kill: ## the kill test: SIGKILL the server KILLS times (default 100) under load
	WAYBILL_KILLS=$(KILLS) WAYBILL_SEED=$(SEED) $(GO) test -count=1 -timeout 60m -run TestKill -v ./internal/killtest

proof: ## run the tests of the promises and write proof/report.md; LARGE=1 for the sizes of a release
	$(GO) run ./internal/proof $(if $(LARGE),-large) -seed $(SEED)

simulate: ## the random worlds: SEEDS of each workspace from seed FIRST on (a seed is a world, byte for byte)
	WAYBILL_SEEDS=$(SEEDS) WAYBILL_SEED=$(FIRST) $(GO) test -count=1 -timeout 24h -v -run TestNothingIsLostOrDoubledInAnyWorld ./prove

strikes: ## the disk's tests with STRIKES power cuts, errors and failed syncs each
	WAYBILL_STRIKES=$(STRIKES) $(GO) test -count=1 -timeout 24h -v -run 'PowerCuts|OnceTheDiskWorks|NeverTrustedAgain|NotBuiltUpon' ./record

bench: ## measure beside references: rates, latency, CPU, memory; `go run ./bench -list` names its parts, ARGS="-only one" picks
	$(GO) run ./bench $(ARGS)

.PHONY: help build demo test race lint vuln fuzz kill proof simulate strikes bench
