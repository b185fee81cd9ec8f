# `make` alone lists the targets. Two are all a newcomer needs: `make run` and `make test`.
SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LISTEN   ?= 127.0.0.1:3300
FUZZTIME ?= 30s
SEED     ?= 0
SOURCES  := daemon terraform-provider testenv
SCRIPTS  := images/scripts

.PHONY: help build run test soak drill-config bench fuzz packages repository images check clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo '  LISTEN=HOST:PORT (make run, now $(LISTEN))   FUZZTIME=30s (make fuzz)   SEED=N (make drill-config)   VERSION=… (make build)'

build: ## build the programs into bin/
	@CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/ ./daemon/cmd/...

run: ## install what is missing, then run a node from ./run/ and print its URL
	@$(SCRIPTS)/deps.sh run
	@$(MAKE) build
	@exec $(SCRIPTS)/run.sh '$(LISTEN)'

test: ## install what tests need, then run every check and every test
	@$(SCRIPTS)/deps.sh test
	@$(MAKE) check
	@$(SCRIPTS)/gotest.sh -race -timeout 25m ./...

soak: ## run the drills at full size; takes its time
	@$(SCRIPTS)/deps.sh test
	@$(SCRIPTS)/gotest.sh -timeout 60m -count 1 -v -run Drill $$($(SCRIPTS)/packages.sh 'flag.Bool("soak"') -args -soak

drill-config: ## damage configuration files 20,000 times, 500 times below a running daemon, and let their mount hang for 10 minutes
	@$(SCRIPTS)/deps.sh test
	@$(SCRIPTS)/gotest.sh -timeout 120m -count 1 -v -run DrillConfig $$($(SCRIPTS)/packages.sh 'flag.Bool("drill"') -args -drill -seed $(SEED)

bench: ## measure against the peers that BENCHMARKS.md names
	@$(SCRIPTS)/deps.sh test
	@$(SCRIPTS)/gotest.sh -timeout 30m -count 1 -v -run Report $$($(SCRIPTS)/packages.sh 'flag.Bool("report"') -args -report | \
		grep -E '^(bench |--- |FAIL|panic|ok )|_test.go:'

fuzz: ## fuzz everything that parses, each target for FUZZTIME
	@$(SCRIPTS)/fuzz.sh $(FUZZTIME)

packages: ## build every package for every architecture into dist/
	@$(SCRIPTS)/deps.sh packages
	@$(SCRIPTS)/build-packages.sh $(PACKAGE_VERSION)

repository: packages ## make a signed apt and dnf tree of dist/, with SIGNING_KEY=FILE or a key for try-outs
	@$(SCRIPTS)/deps.sh repository
	@$(SCRIPTS)/build-repository.sh

images: ## build the container images; SUITES="bookworm trixie" for fewer nodes than there are
	@$(SCRIPTS)/deps.sh images
	@$(SCRIPTS)/build-images.sh $(PACKAGE_VERSION)

check: ## gofmt, go vet, staticcheck and the shell scripts' syntax
	@unformatted=$$(gofmt -l $(SOURCES)); [[ -z $$unformatted ]] || { echo "not formatted, run gofmt -w:" $$unformatted >&2; exit 1; }
	@for script in $(SCRIPTS)/*.sh .ci/run; do bash -n $$script; done
	@go vet ./...
	@go tool staticcheck ./...

clean: ## remove bin/, build/ and dist/; ./run/ and its sessions stay
	@rm -rf bin build dist
