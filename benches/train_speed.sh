#!/usr/bin/env bash
# Training speed of Dateline and of a plain PyTorch loop, in turn on the same machine: `make bench BASE=… CORPUS=…`.
# Machines are noisy, so the figure to quote is the median of the ratios, not a speed.
set -euo pipefail
cd "$(dirname "$0")/.."
base=${BASE:?the folder of the base model} corpus=${CORPUS:?the folder with train.jsonl}
rounds=${ROUNDS:-3} steps=${STEPS:-40} threads=$(nproc)

if [ -z "${PYTHON:-}" ]; then
  venv=${XDG_CACHE_HOME:-$HOME/.cache}/dateline/peer
  [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --requirement tests/parity/requirements.txt
  PYTHON=$venv/bin/python
fi
cargo build --quiet --release -p dateline-train --example step_speed
ours=${CARGO_TARGET_DIR:-target}/release/examples/step_speed
speed() { tail -n 1 | cut -d ' ' -f 1 | tr -d ,; }

for _ in $(seq "$rounds"); do
  a=$("$ours" "$base" "$corpus/train.jsonl" "$steps" | speed)
  b=$("$PYTHON" tests/parity/train_peer.py --base "$base" --train "$corpus/train.jsonl" --steps "$steps" --threads "$threads" | speed)
  awk -v a="$a" -v b="$b" 'BEGIN { printf "dateline %d tokens/s, PyTorch %d tokens/s, ratio %.2f\n", a, b, a / b }'
done
