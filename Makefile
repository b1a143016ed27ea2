# The one list of verbs. `make` alone prints it.

# Where rustup puts cargo, for a shell that was started before.
export PATH := $(PATH):$(HOME)/.cargo/bin

NAME    ?= baseimage
VERSION ?= latest
export ROUNDS PARTS COUNTS SYSTEMS RESULTS MY_INIT_MUSL WAIT_SECONDS
export NAME VERSION BASE_IMAGE SUITE PLATFORM DISABLE_SYSLOG DISABLE_CRON DISABLE_SSH

.PHONY: help run test check histories exhausted mutants live bench bench-quick dist image build clean

help:
	@sed --quiet 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand --tabs=20

run: ## boot the image: a login shell on a terminal, a short tour without one
	@tools/run

test: ## all tests: pure, in namespaces, in Docker
	@tools/test --workspace

check: ## seconds: format, lints, the pure tests, the house rules
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo test --package logic
	cargo test --test tidy

histories: ## two million random lives of a container; HISTORIES=n, FROM=seed
	HISTORIES=$${HISTORIES:-2000000} cargo test --package logic --test histories -- \
		--nocapture

exhausted: ## half a minute: every state of the core in small worlds, and in larger ones
	cargo test --package logic --test exhausted -- --include-ignored --nocapture --test-threads 1

mutants: ## half an hour: the core broken in 800 places; which of them no test sees
	@cargo mutants --version >/dev/null 2>&1 || cargo install cargo-mutants --locked
	HISTORIES=10000 PROPTEST_CASES=100 RUST_BACKTRACE=0 cargo mutants --package logic \
		--profile mutants --jobs 1 --timeout 15 --output target \
		-- --lib --test histories

live: ## only the tests that need Docker
	@tools/test --test live

bench-quick: dist ## a minute: boot, stop, memory and restart, beside what the kernel asks
	@cargo run --release --quiet --package bench -- quick $(ROUNDS)

bench: dist ## a quarter of an hour: all figures beside the peers' and the floor's, into bench/RESULTS.md
	@cargo run --release --quiet --package bench -- all

dist: ## the static binary: dist/baseimage, my_init, setuser, sv
	@tools/build

image: dist ## the image, as NAME:VERSION (default baseimage:latest)
	@SUMMARY=1 tools/image

build: image ## the same, by the predecessor's name for it

clean: ## forget what was built and cached here
	@# What belongs to the users of a user namespace can be removed only in one.
	rm --recursive --force target dist 2>/dev/null || \
		unshare --user --map-root-user --map-auto rm --recursive --force target dist
