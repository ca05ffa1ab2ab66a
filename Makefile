# make demo     two routers and a client in network namespaces: failover, measured
# make test     everything: installs what it needs, unit tests, end-to-end tests
# The other targets are parts of these, or run longer.

GO       ?= go
BIN      := bin/hakeep
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS  := -s -w -X hakeep/internal/version.version=$(VERSION)
PKGS     := ./...
# Packages whose tests own network namespaces and real time: one at a time.
E2E      := ./e2e/...
UNIT     := $(shell $(GO) list ./... 2>/dev/null | grep -v '^hakeep/e2e')
# The simulator has one thread and a lot to compute: it runs without -race.
RACE     := $(filter-out hakeep/internal/sim,$(UNIT))
FUZZTIME ?= 20s
# A host that takes the processors away makes tests of real time fail: those that
# failed while it did so are made again, and the output says so.
STEADY   := $(GO) run ./internal/steady

.PHONY: all build demo test test-vm unit race e2e lint vuln fuzz bench chaos corpus corpus-pairs sim deps man install clean

all: build

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/hakeep

demo: build
	./$(BIN) demo

test: deps build race e2e

# deps installs the Debian packages that the tests need; as another user than
# root it only says what is missing.
deps:
	./packaging/test-deps.sh

unit:
	$(GO) test $(UNIT)

race:
	$(STEADY) -race -- $(RACE)
	$(GO) test -timeout 20m ./internal/sim/

e2e: build
	$(STEADY) -count=1 -p 1 -timeout 20m -- $(E2E)

# test-vm runs what needs another kernel or systemd, in an emulated machine (7
# minutes; beside much other work twice that, and tests of times may fail; the image in cache/ has 115 MB).
test-vm: build
	./packaging/test-vm-deps.sh
	./vm/build.sh
	./vm/test.sh

# bench measures hakeep beside keepalived.
bench: build
	$(GO) run ./e2e/bench

# chaos breaks a network of three hakeep and one keepalived for FOR, in an order
# that SEED decides; a short run of it is part of `make e2e`.
chaos: build
	$(GO) run ./e2e/chaos -hakeep $(BIN) -for $(or $(FOR),1m) $(if $(SEED),-seed $(SEED))

lint:
	@out=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$out" ]; then echo "gofmt: $$out"; exit 1; fi
	$(GO) vet $(PKGS)
	$(GO) tool staticcheck $(PKGS)
	$(GO) vet -tags vm ./vm/...
	$(GO) tool staticcheck -tags vm ./vm/...

# vuln looks for known vulnerabilities of what the program uses. It asks
# vuln.go.dev, so it needs the network and is no part of `make test`.
vuln:
	$(GO) run golang.org/x/vuln/cmd/govulncheck@v1.9.0 $(PKGS)

# fuzz runs every fuzz target for FUZZTIME each.
fuzz:
	@for pkg in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "$$pkg $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x $$pkg || exit 1; \
		done; \
	done

# corpus runs the keepalived.conf reader over every file of the folder DIR, and
# beside KEEPALIVED, if that is given, as root: it fails if the two judge a file
# otherwise and no kind of disagreement explains it.
corpus:
	$(GO) run ./internal/config/keepalived/corpus $(if $(KEEPALIVED),-keepalived $(KEEPALIVED)) $(DIR)

# corpus-pairs runs the keepalived.conf files of the folder DIR with hakeep and with
# keepalived, alone and on one link, and compares addresses, adverts and the calls
# of scripts; N files, 0 for all. It needs root and takes minutes.
corpus-pairs: build
	$(GO) run ./e2e/pairs -n $(or $(N),20) $(DIR)

# sim runs the protocol's simulator and model checker for longer, and lets them
# look for planted mistakes, each in a build of its own (5 minutes and more). It
# prints the table of docs/proof.md.
sim:
	HAKEEP_SIM_MUTATIONS=all HAKEEP_SIM_SECONDS=$${HAKEEP_SIM_SECONDS:-5000000} $(GO) run ./internal/sim/proof

# man and install: the manual is made from the commands and the keyword table.
man:
	$(GO) run -tags docs -ldflags '$(LDFLAGS)' ./cmd/hakeep manual --dir bin/share

install: build man
	DESTDIR='$(DESTDIR)' PREFIX='$(or $(PREFIX),/usr/local)' ./packaging/install.sh

clean:
	rm -rf bin
