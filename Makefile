# make test   installs what the tests need and runs all of them, as CI does
# make bench  compares usher with a bare net/http server (takes some minutes)
# make help   lists all targets

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
ACTIONLINT  := github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
GOVULNCHECK := v1.9.0
FUZZTIME    := 3s
# SQLite is C that was translated to Go. Its own reads and writes are not watched by
# the race detector, which halves the time of the tests; what usher shares with it is.
UNWATCHED   := modernc.org/...=-race=false

.PHONY: help test check portable unit cost reach soak keyring fuzz crash cluster clients clients-all schemathesis mutate browser deploy bench bench-scale bench-plan bench-sqlite build release

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 15

test: check unit reach keyring fuzz crash cluster clients schemathesis browser deploy ## everything below down to deploy, as CI does
	@echo "all tests passed"

check: ## gofmt, go mod tidy, go vet for three systems, staticcheck, actionlint, govulncheck
	@scripts/need go
	@bad=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$bad" ]; then echo "not gofmt'ed: $$bad"; exit 1; fi
	go mod tidy -diff
	go vet ./...
	go vet -tags clients,clients_all ./test/clients ./test/exec
	go vet -tags keyring ./internal/cli
	go vet -tags mutation ./test/mutation
	go vet -tags faults ./test/cluster
	go vet -tags schemathesis ./test/schemathesis
	go vet -tags browser ./test/browser
	go vet -tags recipes ./test/recipes
	go -C release vet ./...
	go -C bench/plan vet ./...
	go -C test/recipes/manifests vet ./...
	go run $(ACTIONLINT) -shellcheck= -pyflakes=
	for script in $$(git ls-files "*.sh"); do sh -n "$$script" || exit 1; done
	GOOS=darwin GOARCH=arm64 go vet ./...
	GOOS=windows GOARCH=amd64 go vet ./...
	go run $(STATICCHECK) ./...
	scripts/vuln $(GOVULNCHECK)

portable: ## go vet and go test alone, which CI runs on macOS and Windows
	@scripts/need go
	go vet ./...
	go test ./...

unit: ## go test ./... with the race detector, on SQLite and PostgreSQL
	@scripts/need go gcc postgresql
	NAMESPACES=required go test -race -gcflags='$(UNWATCHED)' -timeout 30m ./...

cost: ## processor seconds of go test ./... by package: at most 240
	@scripts/need go postgresql
	scripts/cost 240

reach: ## follow every secret through every chain of requests, one request further than unit does, and through more random ones
	@scripts/need go
	go test -count=1 -run LawOfReach -timeout 30m ./internal/api -deep -rapid.checks=100

# On two idle processors: 15 minutes of crashes, 7 of faults, 31 of fuzzing (29 targets), 15 of Schemathesis and 45 of chains.
# They are computed from shorter runs of each.
soak: ## what is too long for make test: two hours
	@scripts/need go postgresql haproxy python3 python3-venv
	go test -count=1 ./test/crash -timeout 1h -crash.rounds=200
	go test -count=1 -tags faults -timeout 1h -run 'Faults|Killed' ./test/cluster -cluster.kills=200 -cluster.between=10s -cluster.stopped=40s
	scripts/fuzz 60s
	go test -count=1 -tags schemathesis -timeout 1h -v ./test/schemathesis -soak 10m
	go test -count=1 -run LawOfReachInChains -timeout 3h ./internal/api -deep -rapid.checks=5000 -rapid.seed=$$(date +%s)

keyring: ## the command line with GNOME's keyring on a message bus
	@scripts/need dbus-daemon dbus-send gnome-keyring-daemon
	go test -count=1 -tags keyring -run Keyring ./internal/cli

fuzz: ## every fuzz target for a few seconds (FUZZTIME)
	@scripts/need go
	scripts/fuzz $(FUZZTIME)

crash: ## kill the server 20 times in the middle of sign-ins
	@scripts/need go
	go test -count=1 ./test/crash -crash.rounds=20

cluster: export PATH := $(PATH):/usr/sbin
cluster: ## break nodes, networks and databases while clients work, and judge what they were told
	@scripts/need go postgresql haproxy nginx pgbouncer
	go test -count=1 -tags faults -timeout 20m ./test/cluster

clients: ## published clients from npm, PyPI, crates.io and Maven against the built binary
	@scripts/need go node npm python3 python3-venv cargo gcc pkg-config libssl-dev curl wget javac mvn php php-curl ruby
	go test -count=1 -tags clients -timeout 30m -v ./test/clients
	NAMESPACES=required go test -count=1 -tags clients -timeout 30m -run 'Clients|PlexAPI|Document|Package|Runners' ./test/exec

clients-all: ## every version of the SDKs that PyPI, npm and crates.io carry (takes half an hour the first time)
	@scripts/need go node npm python3 python3-venv cargo gcc pkg-config libssl-dev
	go test -count=1 -tags clients,clients_all -timeout 2h -run TestEveryVersion -v ./test/clients

schemathesis: ## requests made from api/openapi.yaml, with every kind of token (soak: ten minutes of others)
	@scripts/need go python3 python3-venv
	go test -count=1 -tags schemathesis -timeout 30m -v ./test/schemathesis

mutate: ## change the code and see that tests notice; PACKAGE=internal/seal for one package (takes an hour for all)
	@scripts/need go
	go test -count=1 -tags mutation -timeout 3h -v ./test/mutation -package "$(PACKAGE)"

browser: ## people's pages in Chromium, with pictures of each in build/screenshots
	@scripts/need go node npm chromium
	go test -count=1 -tags browser -timeout 30m -v ./test/browser

deploy: export PATH := $(PATH):/usr/sbin
deploy: ## what deploy/ has, with the built binary: proxies, units, alerts and filters; and the package and the image of a release
	@scripts/need go git systemd-analyze caddy nginx promtool fail2ban-regex mandoc podman dpkg-deb unshare ip postgresql node npm curl rsync
	@scripts/unpack crowdsec build/crowdsec
	systemd-analyze security --offline=true --threshold=20 --no-pager deploy/systemd/usher.service >/dev/null
	systemd-analyze security --offline=true --threshold=20 --no-pager deploy/systemd/usher-backup.service >/dev/null
	go test -count=1 -tags recipes ./test/recipes
	go -C test/recipes/manifests test -count=1 ./...
	go -C release test -count=1 -timeout 30m ./...

bench: ## usher beside a bare net/http server, with wrk
	@scripts/need go wrk
	go run ./bench/http

bench-scale: ## start, pages and look-ups with 1,000 and with 1,000,000 accounts, one to three nodes, both engines (ten minutes)
	@scripts/need go postgresql
	go run ./bench/scale -json bench/plan/measured.json

bench-plan: ## what saturates first, from the last measurement, with plots in docs
	@scripts/need go
	go -C bench/plan run . -out ../../docs

bench-sqlite: ## the SQLite drivers that usher could use, side by side
	@scripts/need go gcc
	bench/sqlite/run

build: ## bin/usher, one static binary
	CGO_ENABLED=0 go build -trimpath -o bin/usher ./cmd/usher

release: ## dist: binaries for every system, Debian packages, container images, checksums, twice to compare
	@scripts/need go git
	rm -rf dist
	go -C release run . -out ../dist -verify
