# The one list of verbs. `make` alone prints it.

NAME    ?= baseimage
VERSION ?= latest
export NAME VERSION

.PHONY: help run test check live bench-quick dist image clean

help:
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand --tabs=20

run: ## boot the image: a login shell on a terminal, a short tour without one
	@tools/run

test: ## all tests: pure, in namespaces, in Docker
	@tools/test --workspace

check: ## seconds: format, lints, the pure tests, the house rules
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo test --package logic
	cargo test --test tidy

live: ## only the tests that need Docker
	@tools/test --test live

bench-quick: dist ## a minute: boot, stop, memory and restart, beside what the kernel asks
	@cargo run --release --quiet --package bench -- quick $(ROUNDS)

dist: ## the static binary: dist/baseimage, my_init, setuser
	@tools/build

image: ## the image, as NAME:VERSION (default baseimage:latest)
	@tools/image

clean: ## forget what was built and cached here
	rm -rf target dist
