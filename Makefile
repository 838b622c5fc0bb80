# Every target says what it does: make help.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# A pinned linter, built by Go itself; nothing to install. Its cache is the
# checkout's own: results found in another checkout name files of that one, and
# lose their nolint comments when it is gone.
GOLANGCI_LINT := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.12.0

# The workflows' linter. It checks their scripts where shellcheck is installed; a test
# checks them, and the composite action's, wherever CI is set.
ACTIONLINT := go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

# Signals must reach tfpipeline and not stop at make or go run: it is built
# first and takes the shell's place (exec).
TFPIPELINE := bin/tfpipeline

# Packages that start goroutines. Programs are left out: their tests start
# themselves as processes, which the detector makes many times slower. So is
# migrations/check, whose SQL parser in C would be compiled a second time, what
# starts few goroutines and computes much (gen and view), and what would have
# many clients of AWS compiled once more (localaws itself, root). make race has all.
RACE_PACKAGES = $(filter-out ./gen/% ./tfpipeline/ ./tfpipeline/internal/view/ ./tfpipeline/internal/root/ ./tfpipeline/internal/localaws/ ./migrations/check/% %test/,$(sort $(dir $(shell grep -rlE --include='*.go' '\bgo func|errgroup\.|sync\.(Mutex|RWMutex|WaitGroup|Map)' gen migrations tfpipeline | sed 's,^,./,'))))

# How the gate's tests are built: make check has vetted all packages, and nobody
# attaches a debugger.
GATE_TEST := go test -vet=off -ldflags=-w

# Terraform, its provider, the linter and the tests are Go programs that allocate
# much and end soon: with fewer garbage collections they need a fifth less of the
# processor. The limit, for each of them, keeps those small that run for long.
lint: export GOGC = 400
lint: export GOMEMLIMIT = 4GiB
validate environments all-tests race-sample other-platform quick: export GOGC = 400
validate environments all-tests race-sample other-platform quick: export GOMEMLIMIT = 1500MiB

# A program with the race detector sleeps a second before it exits, and tests start many.
race race-sample: export GORACE = atexit_sleep_ms=10

# Packages with tests that need more than Go.
E2E_PACKAGES = $(sort $(dir $(shell grep -rl --include='*_test.go' '"E2E"' gen migrations tfpipeline | sed 's,^,./,')))

# The longest test by far, which mostly waits for the provider's timers: it runs
# beside all others.
LONGEST = ^TestEnvironments$$

##@ Use

.PHONY: init
init: $(TFPIPELINE) ## Make this checkout your own platform, and plan it
	@exec $(TFPIPELINE) init $(ARGS)

.PHONY: demo
demo: ## Watch releases come, fail and go on this machine, without an AWS account (KEEP=1 leaves it up, RECORD=FILE.svg records it)
	@go build -ldflags=-w -o bin/demo ./tfpipeline/demo
	@KEEP="$(KEEP)" RECORD="$(RECORD)" exec bin/demo

.PHONY: plan
plan: $(TFPIPELINE) ## Plan an environment: make plan ENV=production (offline without AWS credentials)
	@exec $(TFPIPELINE) plan -env "$(ENV)" $(ARGS)

.PHONY: apply
apply: $(TFPIPELINE) ## Plan, guard, show, confirm, apply: make apply ENV=staging
	@exec $(TFPIPELINE) apply -env "$(ENV)" $(ARGS)

.PHONY: bootstrap
bootstrap: $(TFPIPELINE) ## From an empty account to a running environment: make bootstrap ENV=staging
	@exec $(TFPIPELINE) bootstrap -env "$(ENV)" $(ARGS)

.PHONY: gen
gen: ## Render modules/ and envs/ from gen/config
	@go run ./gen

.PHONY: migration
migration: ## Create a migration file: make migration NAME=add_x
	@go run ./migrations/migrate new -name "$(NAME)" -dir migrations

##@ Check

.PHONY: check
check: lint gen-check migrations-check validate ## Everything static: lint, generated tree, migrations, terraform fmt/validate/test

.PHONY: lint
lint: ## Formatting and the linters, go vet among them
	@test -z "$$(gofmt -l gen migrations tfpipeline | tee /dev/stderr)" || { echo "gofmt: run gofmt -w on these"; exit 1; }
	@GOLANGCI_LINT_CACHE="$(CURDIR)/bin/golangci-lint" $(GOLANGCI_LINT) run ./...
	@$(ACTIONLINT)

.PHONY: gen-check
gen-check: ## Whether modules/ and envs/ are what gen renders
	@go run ./gen -check

# What is applied is not judged again: the commit that this branch left main at,
# or on main the one before.
BASE ?= $(shell base=$$(git merge-base HEAD origin/main 2>/dev/null) && if [ "$$base" = "$$(git rev-parse HEAD)" ]; then git rev-parse -q --verify HEAD^; else echo "$$base"; fi)

.PHONY: migrations-check
migrations-check: ## Lint the migrations, and prove them on a scratch PostgreSQL
	@go build -o bin/check ./migrations/check
	@bin/check lint $(if $(BASE),-base $(BASE))
	@bin/check prove

.PHONY: validate
validate: ## terraform fmt, validate and test, of every root, module and example
	@go build -o $(TFPIPELINE) ./tfpipeline
	@exec $(TFPIPELINE) validate

.PHONY: test
test: ## All tests that need only Go, offline; with the race detector, a sample of the long matrices
	@if [ "$$(go env CGO_ENABLED)" = 1 ] && command -v $$(go env CC) >/dev/null; then \
	  go test -shuffle=on -timeout 60m ./... && \
	  $(MAKE) --no-print-directory race-sample; \
	else \
	  echo "no C compiler: without the race detector, and without migrations/check, whose SQL parser needs one"; \
	  go test -shuffle=on -timeout 60m $$(go list ./... | grep -v /migrations/check); \
	fi

.PHONY: race-sample
race-sample: ## The race detector where goroutines are, on a sample of the long matrices
	@$(GATE_TEST) -race -short -shuffle=on -timeout 60m $(RACE_PACKAGES)

.PHONY: race
race: ## The race detector on every package, nightly
	@go test -race -shuffle=on -timeout 40m ./...

# Tests that run in parallel mostly wait for something.
.PHONY: quick
quick: ## Between two edits: no race detector, no long matrices, unchanged packages from the cache
	@$(GATE_TEST) -short -parallel 8 $$(if [ "$$(go env CGO_ENABLED)" = 1 ] && command -v $$(go env CC) >/dev/null; then go list ./...; else go list ./... | grep -v /migrations/check; fi)

# The edit is a new file that only the compiler sees.
.PHONY: quick-edited
quick-edited: quick ## How long make quick takes after an edit of gen/config, which most packages import
	@edit=$$(mktemp -d) && trap 'rm -rf "$$edit"' EXIT && \
	  echo "package config; const Edited = $$(date +%s)" >$$edit/edited.go && \
	  echo '{"Replace": {"$(CURDIR)/gen/config/edited.go": "'$$edit'/edited.go"}}' >$$edit/overlay.json && \
	  time GOFLAGS="$$(go env GOFLAGS) -overlay=$$edit/overlay.json" $(MAKE) --no-print-directory quick

.PHONY: other-platform
other-platform: ## The tests once more, in a copy that init makes another platform
	@GOFLAGS="$$(go env GOFLAGS) -vet=off -ldflags=-w" .ci/other-platform

.PHONY: e2e
e2e: ## The rest: real Terraform, provider, moto and PostgreSQL (about 15 minutes)
	@$(MAKE) --no-print-directory -j2 environments all-tests PACKAGES="$(E2E_PACKAGES)"

.PHONY: environments
environments: ## From an empty account to production and back, as the roles
	@E2E=1 $(GATE_TEST) -count=1 -timeout 40m -run '$(LONGEST)' ./tfpipeline

# Those of make test are among them. Packages begin in the order of their names
# here, so the one that waits longest comes first.
PACKAGES = ./...
.PHONY: all-tests
all-tests:
	@E2E=1 $(GATE_TEST) -count=1 -timeout 40m -p 2 -skip '$(LONGEST)' ./tfpipeline $(PACKAGES)

.PHONY: gate
gate: ## Everything that must pass, every test once and a sample of them with the race detector
	@$(MAKE) --no-print-directory -j2 environments check all-tests race-sample other-platform

.PHONY: soak
soak: load seeds ## The long matrices, by hand and nightly: many kills, slow resources, promotions under load
	@SOAK=1 E2E=1 go test -count=1 -timeout 4h -p 1 -v -skip '^TestEnvironments$$' ./migrations/... ./tfpipeline/...

.PHONY: load
load: ## The README's table: a million requests while releases come, fail and are killed (about 40 minutes)
	@mkdir -p bin
	@set -o pipefail; SOAK=1 E2E=1 go test -count=1 -timeout 2h -v -run '^TestEnvironments$$' ./tfpipeline | tee bin/load.log; \
	  code=$$?; sed -n 's/.* figure: //p' bin/load.log; exit $$code

.PHONY: market
market: ## The table of docs/disaster-recovery.md: releases of workers, an operator's work, a restore and the way back (about 25 minutes)
	@mkdir -p bin
	@set -o pipefail; SOAK=1 E2E=1 go test -count=1 -timeout 90m -v -run '^TestMarket$$' ./tfpipeline | tee bin/market.log
	@FIGURES="$(CURDIR)/bin/market.log" go test -count=1 -run '^TestDocsFigures$$' ./tfpipeline

# A seed takes a quarter of a minute. FIRST begins elsewhere.
SEEDS ?= 200
FIRST ?= 1
.PHONY: seeds
seeds: ## The matrix of promotions under SEEDS seeds of late reads, each call disturbed in every way
	@go test -count=1 -timeout 4h ./tfpipeline/internal/deploy -run 'UnderOldReads|TheOutcomeIsWhatTheWorldShows' -seed $(FIRST) -seeds $(SEEDS)

# The tests of processes, ports and lags, of which some once failed on a slow machine.
BUSY_PACKAGES = ./migrations/check/internal/lint ./tfpipeline/internal/calls ./tfpipeline/internal/process ./tfpipeline/internal/localaws/...
COUNT = 20

.PHONY: busy
busy: ## Tests that a slow machine must not fail, beside two busy loops: make busy COUNT=20
	@yes >/dev/null & first=$$!; yes >/dev/null & trap "kill $$first $$!" EXIT; go test -count=$(COUNT) -timeout 60m $(BUSY_PACKAGES)

.PHONY: vulnerabilities
vulnerabilities: ## Known vulnerabilities in what the programs call (asks vuln.go.dev)
	@go run golang.org/x/vuln/cmd/govulncheck@v1.9.0 ./...

.PHONY: scan
scan: ## tflint and trivy on the generated Terraform; .ci/scan-accepted answers what they find (builds both)
	@.ci/scan

.PHONY: simulate
simulate: ## Compare the roles' verdicts with an independent IAM simulator, which npm fetches
	@SIMULATE=1 go test -count=1 -v -run TestSimulator ./tfpipeline/internal/localaws/iam

# Needs Chromium (apt-get install chromium) and npm, so it is no part of the gate.
.PHONY: screenshots
screenshots: ## The dashboard in both themes and three widths, beside its goldens (UPDATE=1 rewrites them) and axe-core
	@mkdir -p bin/node && cp tfpipeline/internal/view/testdata/screenshots.mjs bin/node/
	@npm install --silent --no-fund --prefix bin/node axe-core@4.14.1 puppeteer-core@24.43.1 pixelmatch@8.0.0 pngjs@7.0.0
	@node bin/node/screenshots.mjs

.PHONY: bench
bench: ## Measure, and write the figures of the README (under 10 minutes)
	@.ci/bench

##@ Other

.PHONY: house
house: ## Lines, files, floors and the largest type of every package
	@go test -count=1 -v -run '^TestHouse$$' ./tfpipeline | sed -n 's/^ *|/|/p'

.PHONY: build
build: $(TFPIPELINE) ## Build bin/tfpipeline

# What a release is built for, and the programs in it.
PLATFORMS = linux/amd64 linux/arm64 darwin/amd64 darwin/arm64
PROGRAMS = gen tfpipeline
# macOS has another program for it.
SHA256SUM = $(shell command -v sha256sum || echo shasum -a 256)

.PHONY: dist
dist: $(TFPIPELINE) ## Build what a release is made of into dist/: programs, completions, man page, checksums
	@rm -rf dist && mkdir dist
	@for p in $(PLATFORMS); do for program in $(PROGRAMS); do \
		CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} go build -trimpath -ldflags='-s -w' -o dist/$$program-$${p%/*}-$${p#*/} ./$$program || exit 1; \
	done; done
	@for shell in bash zsh fish; do $(TFPIPELINE) completion $$shell >dist/tfpipeline.$$shell || exit 1; done
	@cp docs/tfpipeline.1 dist/
	@cd dist && $(SHA256SUM) -- * >SHA256SUMS

.PHONY: $(TFPIPELINE)
$(TFPIPELINE):
	@go build -o $@ ./tfpipeline

.PHONY: help
help: ## This list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
