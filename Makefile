# Dateline's commands. `make run` and `make test` are all that a fresh machine with Rust and a C compiler needs.

CARGO ?= cargo
LISTEN ?= 127.0.0.1:8080

.PHONY: run test lint fmt bench train install clean-help

run: ## build and serve the web page and the API with the default model
	$(CARGO) run --release --bin dateline -- serve --listen $(LISTEN)

test: ## every test: units, properties, parity and end-to-end scenarios
	$(CARGO) test --workspace

lint: ## formatting, clippy with warnings as errors, docs, licences
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --quiet
	@if command -v cargo-deny >/dev/null; then $(CARGO) deny --offline check licenses bans sources; \
	else echo "cargo-deny is not installed: licences were not checked (cargo install --locked cargo-deny)"; fi

install: ## put dateline, with its model inside, on the PATH
	$(CARGO) install --locked --path crates/cli

bench: ## training speed of Dateline and of PyTorch, in turn on the same machine (needs BASE and TRAIN, and Python)
	benches/train_speed.sh

# The corpora are not part of the project: see models/dateline-en-small/MODEL_CARD.md for where each comes from.
CORPUS ?= ../shared/corpus
LISTS ?= ../shared/lists
BASE ?= base
OUT ?= models/dateline-en-small

train: ## train the default model from BASE on CORPUS into OUT
	$(CARGO) run --release --bin dateline -- train --base $(BASE) --out $(OUT) \
		--train $(CORPUS)/train.jsonl --dev $(CORPUS)/dev.jsonl
