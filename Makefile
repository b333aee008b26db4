# heka tools: build, check, install. `make help` lists the targets.
# Needs GNU make, cargo and a C compiler. Names follow the GNU coding standards.

prefix ?= $(or $(PREFIX),/usr/local)
exec_prefix ?= $(prefix)
bindir ?= $(exec_prefix)/bin
datarootdir ?= $(prefix)/share
docdir ?= $(datarootdir)/doc/heka-tools
mandir ?= $(or $(MANDIR),$(datarootdir)/man)
man1dir ?= $(mandir)/man1
man5dir ?= $(mandir)/man5
man7dir ?= $(mandir)/man7
bashcompdir ?= $(datarootdir)/bash-completion/completions
zshcompdir ?= $(datarootdir)/zsh/site-functions
# fish searches /usr/share and the home directory, not /usr/local/share; /etc is for local additions.
fishcompdir ?= $(if $(filter /usr/local,$(prefix)),/etc/fish/completions,$(datarootdir)/fish/vendor_completions.d)
DESTDIR ?=

INSTALL ?= install
INSTALL_PROGRAM ?= $(INSTALL) -m 755
INSTALL_DATA ?= $(INSTALL) -m 644
CARGO ?= cargo
CARGOFLAGS ?= --locked
MANDOC ?= mandoc
PROFILE ?= release

# heka-kafka is a separate workspace, which needs more than Rust: `make kafka`.
TOOLS := $(filter-out heka-kafka,$(sort $(patsubst tools/%/Cargo.toml,%,$(wildcard tools/*/Cargo.toml))))
KAFKA := --manifest-path tools/heka-kafka/Cargo.toml
MAN1 := $(sort $(wildcard man/*.1))
MAN5 := $(sort $(wildcard man/*.5))
MAN7 := $(sort $(wildcard man/*.7))
BASHCOMP := $(sort $(wildcard completions/bash/*))
ZSHCOMP := $(sort $(wildcard completions/zsh/*))
FISHCOMP := $(sort $(wildcard completions/fish/*))
DOCS := README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE

target := $(or $(CARGO_TARGET_DIR),target)
# Absolute, but not with abspath, which would split a path at its spaces.
here := $(if $(filter /%,$(target)),$(target),$(CURDIR)/$(target))
built = $(target)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
version := $(shell sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
# An archive from `make dist` has no history, but a file with its commit.
export HEKA_TOOLS_REV ?= $(shell cat .revision 2>/dev/null || git rev-parse --short=12 HEAD 2>/dev/null)

.DELETE_ON_ERROR:
.PHONY: all kafka check fmt fmt-check deny clippy built-tests kafka-tests test doc-test lint-man check-install install-list \
	bench bench-report bench-check bench-count bench-growth bench-functions fuzz fuzz-check miri soak autobahn log-cache demo demo-nats man html pictures completions install install-strip installdirs uninstall \
	clean distclean dist deb tarball sbom release release-check check-package audit version help

all: ## build every tool (PROFILE=release)
	$(CARGO) build $(CARGOFLAGS) --profile $(PROFILE) --bins $(addprefix -p ,$(TOOLS))

# $(call if-kafka,COMMAND): runs COMMAND where heka-kafka can be built.
if-kafka = if reason=$$(packaging/kafka-needs); then $(1); else tests/skip "heka-kafka: $$reason"; fi

kafka: ## build heka-kafka too; needs cc, make, bash, pkg-config, libssl-dev
	@packaging/kafka-needs || { echo "heka-kafka cannot be built" >&2; exit 1; }
	$(CARGO) build $(CARGOFLAGS) $(KAFKA) --target-dir "$(here)" --profile $(PROFILE) --bins

# Checks skipped for lack of a program are collected in this file, and printed at the end.
export HEKA_SKIPPED := $(here)/skipped

check: ## everything that must hold before a commit
	@mkdir -p "$(here)" && rm -f "$(HEKA_SKIPPED)"
	$(MAKE) fmt-check lint-man deny clippy fuzz-check test doc-test check-install check-package
	@tests/report-skipped "$(HEKA_SKIPPED)"
	@echo "make check: all passed"

fmt: ## format the code
	$(CARGO) fmt --all
	$(CARGO) fmt $(KAFKA)

fmt-check:
	$(CARGO) fmt --all --check
	$(CARGO) fmt $(KAFKA) --check

clippy: ## lints, as errors
	$(CARGO) clippy $(CARGOFLAGS) --workspace --all-targets -- -D warnings
	@$(call if-kafka,set -x; $(CARGO) clippy $(CARGOFLAGS) $(KAFKA) --target-dir "$(here)" --all-targets -- -D warnings)

# Tools and tests in one go, so that nothing is built twice with different features.
built-tests:
	$(CARGO) build $(CARGOFLAGS) --workspace --all-targets
	@$(call if-kafka,set -x; $(CARGO) build $(CARGOFLAGS) $(KAFKA) --target-dir "$(here)" --bins --examples)

kafka-tests:
	@$(call if-kafka,set -x; $(CARGO) test $(CARGOFLAGS) $(KAFKA) --target-dir "$(here)")

test: built-tests kafka-tests ## unit, property, case, pipeline, signal and interop tests
	HEKA_BINDIR="$(here)/debug" HEKA_SOAK_SECONDS=20 $(CARGO) test $(CARGOFLAGS) --workspace --all-targets

doc-test:
	$(CARGO) test $(CARGOFLAGS) --workspace --doc

lint-man: ## man pages without a warning, examples that survive 80 columns
	@if command -v $(MANDOC) >/dev/null; then \
		$(MANDOC) -T lint -W warning $(MAN1) $(MAN5) $(MAN7) && \
		MANDOC='$(MANDOC)' tests/man-width $(MAN1) $(MAN5) $(MAN7); \
	else tests/skip "$(MANDOC) is not installed: man pages not checked"; fi

deny: ## licences and sources of all dependencies; needs cargo-deny
	@if $(CARGO) deny --version >/dev/null 2>&1; then \
		$(CARGO) fetch $(CARGOFLAGS) --quiet && \
		$(CARGO) deny --workspace --offline check licenses bans sources && \
		$(CARGO) fetch $(CARGOFLAGS) $(KAFKA) --quiet && \
		$(CARGO) deny $(KAFKA) --offline check licenses bans sources; \
	else tests/skip "cargo-deny is not installed: licences not checked"; fi

audit: ## known faults of dependencies; needs cargo-deny and the network (AUDITFLAGS=--offline: the database at hand)
	@if $(CARGO) deny --version >/dev/null 2>&1; then CARGO="$(CARGO)" packaging/audit $(AUDITFLAGS); \
	else tests/skip "cargo-deny is not installed: advisories not checked"; fi

man: lint-man

html: ## man pages as HTML, in target/html
	mkdir -p "$(target)/html"
	for page in $(MAN1) $(MAN5) $(MAN7); do \
		$(MANDOC) -T html -O 'style=mandoc.css,man=%N.%S.html' "$$page" \
			>"$(target)/html/$${page#man/}.html" || exit 1; \
	done

pictures: ## draw docs/terminal/ anew
	$(MAKE) all PROFILE=dev
	for scene in docs/terminal/*.scene; do \
		HEKA_BINDIR="$(here)/debug" docs/terminal/draw "$$scene" >"$${scene%.scene}.svg" || exit 1; \
	done

completions: ## write completions/ anew from the flags
	mkdir -p completions/bash completions/zsh completions/fish
	HEKA_COMPLETIONS=overwrite $(CARGO) test $(CARGOFLAGS) --workspace --bins documented
	@$(call if-kafka,set -x; HEKA_COMPLETIONS=overwrite $(CARGO) test $(CARGOFLAGS) $(KAFKA) --target-dir "$(here)" documented)

soak: built-tests ## kill stages and break connections for ten minutes (HEKA_SOAK_SECONDS, HEKA_SOAK_SEED)
	HEKA_BINDIR="$(here)/debug" HEKA_SOAK_SECONDS=$${HEKA_SOAK_SECONDS:-600} \
		HEKA_TEST_CEILING=$${HEKA_TEST_CEILING:-300} tests/soak $(CARGO) test $(CARGOFLAGS) -p heka-tests \
		--test delivery --test heka_nats --test heka_kafka soak -- --nocapture --test-threads=1

# The scripts of bench/ run these builds; their results are collected for `make bench-report`.
measure := HEKA_BINDIR="$(here)/release" BENCH_RESULTS="$(here)/bench.tsv"
BENCH_SCRIPTS := tail-many tail-start latency memory log-load datagrams start
BENCH_BEFORE ?=

bench: ## speed beside cat, socat, nc (LINES, RUNS, ONLY: see bench/run; BENCH_BEFORE: tools of another version)
	$(MAKE) all PROFILE=release
	@$(call if-kafka,set -x; $(CARGO) build $(CARGOFLAGS) $(KAFKA) --target-dir "$(here)" --release --bins --examples)
	rm -f "$(here)/bench.tsv"
	status=0; for script in run $(BENCH_SCRIPTS); do \
		$(measure) bench/$$script $$([ $$script != start ] || echo $(BENCH_BEFORE)) || status=1; \
	done; exit $$status

bench-report: ## write the figures of the last `make bench` into README.md and docs/performance.md
	bench/report "$(here)/bench.tsv"

bench-check: ## count instructions, fail where they have grown since bench/history.tsv; needs valgrind
	$(MAKE) all PROFILE=release
	$(measure) bench/count --check

bench-count: ## the same, added to bench/history.tsv
	$(MAKE) all PROFILE=release
	$(measure) bench/count --add
	bench/report

bench-growth: ## what one more file, connection, member or byte costs, into bench/growth.tsv
	$(MAKE) all PROFILE=release
	HEKA_BINDIR="$(here)/release" bench/growth --write
	bench/report

bench-functions: ## the hot functions of core, in bytes per second
	$(CARGO) bench $(CARGOFLAGS) -p heka-core --features json,regex

FUZZ_SECONDS ?= 600
FUZZ_TARGETS ?=

fuzz: ## every parser against hostile bytes, FUZZ_SECONDS (600) each, JOBS at a time (FUZZ_TARGETS, FUZZ_SEED)
	CARGO="$(CARGO)" FUZZ_SEED="$(FUZZ_SEED)" fuzz/run $(FUZZ_SECONDS) $(FUZZ_TARGETS)

# Without libFuzzer, which takes a minute of C++: changes affect only the code that targets call.
fuzz-check: ## the fuzz targets compile
	@if $(CARGO) fetch $(CARGOFLAGS) --quiet --manifest-path fuzz/Cargo.toml; then set -x; \
		$(CARGO) check $(CARGOFLAGS) --manifest-path fuzz/Cargo.toml --target-dir "$(here)" --no-default-features --lib --bins; \
	else tests/skip "the crates of fuzz/ cannot be fetched: fuzz targets not compiled"; fi

# Miri has no fork(2) and no sigaction(2) (net::exec, os::signal), no ioctl(2) (net::waiting, os::drain), no F_SETPIPE_SZ
# (os::splice), no linkat(2) (os::private::replacement) and no network: their tests run without it. Of the modules
# without unsafe code it runs those that take seconds; record::unread alone takes minutes.
MIRI_FEATURES := testing,decode,net,checkpoint,queue
MIRI_TESTS ?= net::ready os::private::dir::tests::directories record::dedup record::gelf wire::header wire::varint \
	codec::harmless codec::number record::brackets::tests::every

miri: ## unsafe code of core under Miri, as far as it runs there; needs a nightly Rust with it (MIRI_TESTS)
	@export RUSTUP_TOOLCHAIN=nightly MIRIFLAGS=-Zmiri-disable-isolation; \
	if $(CARGO) miri --version >/dev/null 2>&1; then set -x; \
		$(CARGO) miri test $(CARGOFLAGS) -p heka-core --lib --features $(MIRI_FEATURES) -- $(MIRI_TESTS); \
	else tests/skip "Miri is not installed: unsafe code not checked"; fi

autobahn: ## ws-source against the WebSocket conformance suite, into docs/autobahn.md (python2.7)
	$(MAKE) all PROFILE=release TOOLS=ws-source
	HEKA_BINDIR="$(here)/release" tests/autobahn

log-cache: ## cf-tail against a real log-cache, built with Go from a clone (LOG_CACHE)
	$(MAKE) all PROFILE=release TOOLS=cf-tail
	HEKA_BINDIR="$(here)/release" tests/log-cache

# Builds only the required tools, as fast as possible; `make install` installs the result of `make`.
DEMO_TOOLS := heka-tail heka-send heka-listen heka-decode heka-encode

demo: ## World2, for real, in a temporary folder; builds five tools for itself, in about a minute
	@start=$$(date +%s); \
	$(MAKE) --no-print-directory all PROFILE=demo TOOLS='$(DEMO_TOOLS)' && \
	built=$$(date +%s) && HEKA_BINDIR="$(here)/demo" demo/world2 && \
	echo "make demo: built in $$((built - start)) s, ran in $$(($$(date +%s) - built)) s"

demo-nats: ## a log through NATS JetStream, whose server is killed; needs nats-server
	$(MAKE) --no-print-directory all PROFILE=demo TOOLS='$(DEMO_TOOLS) heka-nats'
	HEKA_BINDIR="$(here)/demo" demo/nats

installdirs:
	$(INSTALL) -d "$(DESTDIR)$(bindir)" "$(DESTDIR)$(man1dir)" "$(DESTDIR)$(man5dir)" \
		"$(DESTDIR)$(man7dir)" "$(DESTDIR)$(bashcompdir)" "$(DESTDIR)$(zshcompdir)" \
		"$(DESTDIR)$(fishcompdir)" "$(DESTDIR)$(docdir)"

# Builds nothing, so that it can be run by a different user than `make`.
install: installdirs ## what `make` built, its man pages and completions (PREFIX, DESTDIR)
	@for tool in $(TOOLS); do \
		[ -x "$(built)/$$tool" ] || { \
			echo "$(built)/$$tool is missing: run make first (make demo builds for itself only)" >&2; exit 1; }; \
	done
	$(INSTALL_PROGRAM) $(patsubst %,"$(built)/%",$(TOOLS)) "$(DESTDIR)$(bindir)"
	@if [ -x "$(built)/heka-kafka" ]; then set -x; \
		$(INSTALL_PROGRAM) "$(built)/heka-kafka" "$(DESTDIR)$(bindir)"; fi
	$(INSTALL_DATA) $(MAN1) "$(DESTDIR)$(man1dir)"
	$(INSTALL_DATA) $(MAN5) "$(DESTDIR)$(man5dir)"
	$(INSTALL_DATA) $(MAN7) "$(DESTDIR)$(man7dir)"
	$(INSTALL_DATA) $(BASHCOMP) "$(DESTDIR)$(bashcompdir)"
	$(INSTALL_DATA) $(ZSHCOMP) "$(DESTDIR)$(zshcompdir)"
	$(INSTALL_DATA) $(FISHCOMP) "$(DESTDIR)$(fishcompdir)"
	$(INSTALL_DATA) $(DOCS) "$(DESTDIR)$(docdir)"

install-strip: ## install, with symbols removed (a release build has none)
	$(MAKE) install INSTALL_PROGRAM='$(INSTALL_PROGRAM) -s'

uninstall: ## remove what install put there
	cd "$(DESTDIR)$(bindir)" && rm -f $(TOOLS) heka-kafka
	cd "$(DESTDIR)$(man1dir)" && rm -f $(notdir $(MAN1))
	cd "$(DESTDIR)$(man5dir)" && rm -f $(notdir $(MAN5))
	cd "$(DESTDIR)$(man7dir)" && rm -f $(notdir $(MAN7))
	cd "$(DESTDIR)$(bashcompdir)" && rm -f $(notdir $(BASHCOMP))
	cd "$(DESTDIR)$(zshcompdir)" && rm -f $(notdir $(ZSHCOMP))
	cd "$(DESTDIR)$(fishcompdir)" && rm -f $(notdir $(FISHCOMP))
	cd "$(DESTDIR)$(docdir)" && rm -f $(DOCS)
	rmdir "$(DESTDIR)$(docdir)"

# With the binaries of the tests: this checks the installation, not the optimiser.
check-install: built-tests ## install into an empty folder, compare, run, uninstall
	tests/check-install tests/install.list

# Checks the Debian package, which the demonstration then uses.
check-package: built-tests ## build the package, install it into an empty root, use it, remove it
	PROFILE=dev tests/check-package

install-list: built-tests ## accept what check-install found as tests/install.list
	tests/check-install --write tests/install.list

clean: ## remove what was built
	$(CARGO) clean
	rm -rf dist

distclean: clean

dist: ## source archive of HEAD in dist/ (VENDOR=1: with all crates)
	rm -rf dist && mkdir dist
	git archive --prefix=heka-tools-$(version)/ HEAD | tar -x -C dist
ifdef VENDOR
	cd dist/heka-tools-$(version) && mkdir .cargo && \
		$(CARGO) vendor --locked --sync tools/heka-kafka/Cargo.toml >.cargo/config.toml
endif
	echo "$(HEKA_TOOLS_REV)" >dist/heka-tools-$(version)/.revision
	cd dist && ../packaging/archive heka-tools-$(version)
	rm -rf dist/heka-tools-$(version)

deb: ## Debian package of what `make` built, in dist/
	packaging/deb dist

tarball: ## programs for any Linux, static but for heka-sandbox, of what `make` built, in dist/
	CARGO="$(CARGO)" packaging/tarball dist

sbom: ## what the tools are made of, as CycloneDX, in dist/; needs jq
	CARGO="$(CARGO)" packaging/sbom dist

release: ## everything that is published, with SHA256SUMS, in dist/
	$(MAKE) dist
	$(MAKE) all kafka
	$(MAKE) deb tarball sbom
	cd dist && rm -f SHA256SUMS && sha256sum -- * >SHA256SUMS.new && mv SHA256SUMS.new SHA256SUMS

release-check: ## run the commands of RELEASE.md
	packaging/release-check RELEASE.md

version: ## print the version
	@echo "$(version)"

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16
