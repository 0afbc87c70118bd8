# `make` alone lists the targets. Everything runs on loopback and without root, once
# scripts/bootstrap.sh has found or installed what it needs.
export PATH := $(HOME)/.cargo/bin:$(PATH)
.DEFAULT_GOAL := help
.PHONY: help demo test lint ci bench bench-quick instructions fuzz interop soak doc package features msrv audit packaging dist clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: ## stream speech and music through a bad link on loopback, record, draw both waveforms
	@scripts/demo.sh

test: ## every test, documentation example and example program (within 20 minutes on 2 cores)
	@scripts/test.sh

lint: ## formatting, clippy, documentation, dependency rules, licences, fuzz targets build
	@scripts/lint.sh

ci: ## what continuous integration runs: test, lint, instructions
	@.ci/run

bench: ## all benches beside their peers, figures into BENCHMARKS.md (quiet machine, half an hour)
	@scripts/bench.sh

bench-quick: ## the same, a rough figure each, into target/bench-quick.md
	@scripts/bench.sh quick

instructions: ## instructions of hot operations, counted by valgrind, beside the counts checked in
	@scripts/bootstrap.sh count
	cargo run --quiet --release -p audiox-benches --bin instructions

fuzz: ## every fuzz target for FUZZ_SECONDS (60) seconds
	@scripts/fuzz.sh

interop: ## the full matrix against foreign programs, and a table of it; `make test` runs its short form
	@scripts/interop.sh

soak: ## the long runs; `make test` runs their short forms
	@scripts/soak.sh

doc: ## the API documentation, in target/doc
	cargo doc --workspace --no-deps --all-features

package: ## the packages for crates.io, each built from the packages alone; nothing is published
	@scripts/package.sh

features: ## every feature alone, in pairs, none and all of them build, crate by crate
	@scripts/features.sh

msrv: ## every crate builds with the oldest Rust that it promises
	@scripts/msrv.sh

audit: ## licences, banned crates, sources and known vulnerabilities of what it is built on
	@scripts/bootstrap.sh lint
	@scripts/audit.sh

packaging: ## the Dockerfile, systemd units, cloud-init and shell scripts, by their own checkers
	@scripts/check-packaging.sh

dist: ## the command as an archive for others, in target/dist, tried before it is called done
	@scripts/dist.sh

clean: ## remove what was built and what the demo wrote
	cargo clean
	rm -rf demo-out fuzz/target fuzz/artifacts
