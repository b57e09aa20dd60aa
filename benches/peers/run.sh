#!/usr/bin/env bash
# Dateline's encoder and every engine that could be used instead of it, in turn on the same token ids and the same cores:
# `make bench-peers CORPUS=texts.jsonl`. README.md beside this says what is measured and how.
#
#   CORPUS=texts.jsonl benches/peers/run.sh                          # everything
#   CORPUS=… benches/peers/run.sh --engines ours-f32,ort-int8 --rounds 3 --modes batch,latency --cores 2
#   OUT=folder, WINDOWS=256, CALIBRATION=64, MODEL=folder; PYTHON=… with the packages of requirements.txt
set -euo pipefail
cd "$(dirname "$0")/../.."
corpus=${CORPUS:?JSON lines with a text each: make bench-peers CORPUS=texts.jsonl}
model=${MODEL:-models/dateline-en-small}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/dateline/peers
target=${CARGO_TARGET_DIR:-target}
out=${OUT:-$target/peers}
requirements=benches/peers/requirements.txt

if [ -z "${PYTHON:-}" ]; then
  venv=$cache/venv
  [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
  if ! cmp -s "$requirements" "$venv/installed.txt"; then
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$requirements"
    cp "$requirements" "$venv/installed.txt"
  fi
  PYTHON=$venv/bin/python
fi
cargo build --release -p dateline-peer --features peers
worker=$target/release/dateline-peer

mkdir -p "$cache" "$out"
"$worker" tokens --model "$model" --corpus "$corpus" --windows "${WINDOWS:-512}" \
  --calibration "${CALIBRATION:-128}" --out "$out/tokens.jsonl" --calibration-out "$out/calibration.jsonl"

# What was exported is good for this model, these texts for calibration and these versions.
made_of=$(cat "$model/config.json" "$model/model.safetensors" "$out/calibration.jsonl" "$requirements" \
  benches/peers/export.py | sha256sum | cut -c 1-16)
folder=$cache/$made_of
# NNCF sends home what it is used for, unless it is told that this is a test.
export NNCF_CI=1 HF_HUB_OFFLINE=1
if [ ! -f "$folder/done" ]; then
  echo "exporting $model into $folder" >&2
  "$PYTHON" benches/peers/export.py --model "$model" --calibration "$out/calibration.jsonl" --out "$folder"
  touch "$folder/done"
fi

exec "$PYTHON" benches/peers/compare.py --worker "$worker" --folder "$folder" --model "$model" \
  --tokens "$out/tokens.jsonl" --out "$out" "$@"
