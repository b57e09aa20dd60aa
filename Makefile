# Dateline's commands. `make run` and `make test` are all that a fresh machine with Rust and a C compiler needs.

CARGO ?= cargo
LISTEN ?= 127.0.0.1:8080
# DataFusion takes long to build: the cluster has targets of its own.
WORKSPACE = --workspace --exclude dateline-cluster
# Of the whole workspace, not of one package: so that cargo builds what both have in common once.
ALL_FEATURES = --features dateline-cli/fault-injection,dateline-cli/otlp

.PHONY: run test test-features clients stores contract emulated sanitize lint lint-deploy fmt bench bench-peers load soak hostile stream \
	openapi train install
.PHONY: build-cuda check-cuda client python-client integrations
.PHONY: test-cluster lint-cluster

run: ## build and serve the web page and the API with the default model
	$(CARGO) run --release --bin dateline -- serve --listen $(LISTEN)

test: ## every test: units, properties, parity and end-to-end scenarios
	$(CARGO) test $(WORKSPACE)

test-features: ## what only some builds can do: send traces, and panic when told to, so that it can be tested
	$(CARGO) test $(WORKSPACE) $(ALL_FEATURES) --test faults --test traces

clients: ## Hugging Face's Python and Node clients against a service with keys (needs Python and Node)
	$(if $(DATELINE),,$(CARGO) build --release --bin dateline)
	tests/clients/run.sh

# Each in a folder of its own, by the name of what is tried.
INTEGRATIONS ?= $(notdir $(patsubst %/,%,$(wildcard tests/integrations/*/)))

integrations: ## other products' own software on what Dateline writes and serves (needs Python, Node; INTEGRATIONS names some)
	$(if $(DATELINE),,$(CARGO) build --release --bin dateline)
	set -e; for name in $(INTEGRATIONS); do echo "== $$name"; tests/integrations/$$name/run.sh; done

python-client: ## the Python client: lints, types, tests on the real service, packages (needs Python)
	$(if $(DATELINE),,$(CARGO) build --release --bin dateline)
	clients/python/check.sh

client: ## the TypeScript client: its types, tests with a service and in Chromium, and its package (needs Node)
	$(if $(DATELINE),,$(CARGO) build --release --bin dateline)
	clients/typescript/check.sh

stores: ## `dateline batch` on an S3 server, on a flaky connection, a full disk and more (needs Python; SCENARIOS names some)
	$(if $(DATELINE),,$(CARGO) build --release --bin dateline)
	tests/stores/run.sh $(SCENARIOS)

emulated: ## the kernels' tests on processors that this machine need not have (needs Bochs and QEMU: tests/emulated/)
	tests/emulated/run.sh

# The name of this machine's target keeps the sanitizer out of build scripts.
sanitize: ## the kernels' tests under AddressSanitizer, which the stable compiler has but does not offer (Linux)
	RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address $(CARGO) test -p dateline-kernels \
	    --target $$(rustc -vV | sed -n 's/^host: //p')

lint: ## formatting, clippy with warnings as errors, docs, licences
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(WORKSPACE) --all-targets $(ALL_FEATURES) -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc $(WORKSPACE) --no-deps --quiet
	@if command -v cargo-deny >/dev/null; then $(CARGO) deny --offline check licenses bans sources; \
	else echo "cargo-deny is not installed: licences were not checked (cargo install --locked cargo-deny)"; fi

test-cluster: ## the cluster's tests: executors and schedulers killed and frozen in mid-run (takes long to build)
	$(CARGO) test --profile quick -p dateline-cluster

lint-cluster: ## clippy and docs of the cluster (takes long to build)
	$(CARGO) clippy -p dateline-cluster --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc -p dateline-cluster --no-deps --quiet

lint-deploy: ## the unit, the container and the Kubernetes manifest in deploy/, each with its own linters (needs Python)
	deploy/lint.sh

openapi: ## write docs/openapi.json anew
	$(CARGO) run --quiet -p dateline-server --example openapi -- docs/openapi.json

contract: ## asks a running service what docs/openapi.json promises (needs Python and target/release/dateline)
	tests/contract/run.sh

install: ## put dateline, with its model inside, on the PATH
	$(CARGO) install --locked --path crates/cli

# Builds for NVIDIA's GPUs have build folders of their own, so that they never stand where others are expected.
CUDA_FEATURES ?= dateline-cli/cuda
CUDA_PACKAGE ?= dateline-cli
CUDA_BUILD = $(abspath $(or $(CARGO_TARGET_DIR),target))/cuda
CUDA_CHECK = $(abspath $(or $(CARGO_TARGET_DIR),target))/cuda-check

build-cuda: ## build for NVIDIA's GPUs of CUDA_COMPUTE_CAP (90: Hopper, 80: Ampere), without having one (needs Python, C++)
	$(if $(CUDA_COMPUTE_CAP),,$(error set CUDA_COMPUTE_CAP to that of your GPU, as in `make build-cuda CUDA_COMPUTE_CAP=90`))
	@test $(CUDA_COMPUTE_CAP) -ge 80 || { echo "CUDA_COMPUTE_CAP is $(CUDA_COMPUTE_CAP), but the encoder runs in bf16," \
	"which GPUs have from 80 (Ampere) on" >&2; exit 1; }
	tools/cuda/late.sh $(CUDA_BUILD)/late/lib
	toolkit="$$(tools/cuda/toolkit.sh)" && \
	PATH="$$toolkit/bin:$$PATH" NVCC=$(CURDIR)/tools/cuda/nvcc CUDA_HOME=$(CUDA_BUILD)/late CUDA_ROOT="$$toolkit" \
	CUDA_COMPUTE_CAP=$(CUDA_COMPUTE_CAP) \
	$(CARGO) build --release -p $(CUDA_PACKAGE) --bins --features $(CUDA_FEATURES) --target-dir $(CUDA_BUILD)
	@echo "built $(CUDA_PACKAGE) in $(CUDA_BUILD)/release"

check-cuda: ## clippy over the code for NVIDIA's GPUs; a stand-in for NVIDIA's compiler makes it quick, and useless to run
	tools/cuda/late_test.sh
	PATH="$(CURDIR)/tools/cuda/stand-in:$$PATH" NVCC=$(CURDIR)/tools/cuda/stand-in/nvcc CUDA_COMPUTE_CAP=80 \
	CUDAFORGE_HOME=$(CUDA_CHECK)/cudaforge \
	$(CARGO) clippy -p dateline-model -p dateline-train --no-default-features \
	--features dateline-model/flash-attn,dateline-train/cuda --all-targets --target-dir $(CUDA_CHECK) -- -D warnings

bench: ## training speed of Dateline and of PyTorch, in turn on the same machine (needs BASE, CORPUS and Python)
	BASE=$(BASE) CORPUS=$(CORPUS) benches/train_speed.sh

bench-peers: ## speed of the encoder and of what could be used instead, in turn on the same cores (needs CORPUS and Python)
	CORPUS=$(CORPUS) MODEL=$(MODEL) benches/peers/run.sh $(ARGS)

# Both the service and the tool that loads it are release builds. ARGS goes to the tool, and what it has after ` -- ` to
# `dateline serve`; `dateline-load help` says what there is.
MODEL ?= models/dateline-en-small
RELEASE = $(or $(CARGO_TARGET_DIR),target)/release
LOAD = $(RELEASE)/dateline-load
UNDER_TEST = --program $(RELEASE)/dateline --model $(MODEL)

load: load-tool ## what the service makes of the model's speed, and single requests under bulk load (MODEL, ARGS)
	$(LOAD) throughput $(UNDER_TEST) $(ARGS)
	$(LOAD) latency $(UNDER_TEST) $(ARGS)

soak: load-tool ## ten minutes of a saturating mixture, with the service's memory watched
	$(LOAD) soak --csv $(RELEASE)/soak.csv --svg $(RELEASE)/soak.svg $(UNDER_TEST) $(ARGS)

hostile: load-tool ## slow, huge, broken and rude clients, and what the service does about each
	$(LOAD) hostile $(UNDER_TEST) $(ARGS)

stream: load-tool ## one NDJSON stream of 5 GB, with the service's memory watched
	$(LOAD) stream $(UNDER_TEST) $(ARGS)

.PHONY: load-tool
load-tool:
	$(CARGO) build --release --bin dateline
	$(CARGO) build --release -p dateline-load

# The corpora are not part of the project: models/dateline-en-small/MODEL_CARD.md says where each comes from.
BASE ?= base
CORPUS ?= corpus
LISTS ?= lists
OUT ?= dateline-en-small-new

train: ## train the default model anew, from BASE on CORPUS with the name lists in LISTS, into OUT
	$(CARGO) build --release --bin dateline
	DATELINE=target/release/dateline models/dateline-en-small/train.sh $(BASE) $(CORPUS) $(LISTS) $(OUT)
