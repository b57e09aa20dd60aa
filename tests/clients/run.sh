#!/usr/bin/env bash
# Hugging Face's clients, in the versions pinned beside this, on a service with keys on a free port: `make clients`.
# They come from PyPI and npm into target/clients; the service is $DATELINE.
set -euo pipefail
cd "$(dirname "$0")/../.."
home=${CARGO_TARGET_DIR:-target}/clients
dateline=${DATELINE:-${CARGO_TARGET_DIR:-target}/release/dateline}
model=${MODEL:-models/dateline-en-small}

command -v "$dateline" >/dev/null || { echo "there is no $dateline: build it, or name it with DATELINE" >&2; exit 1; }
mkdir -p "$home"
[ -x "$home/venv/bin/python" ] || python3 -m venv "$home/venv"
"$home/venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement tests/clients/requirements.txt
# A module finds its packages in the folders above it, so it goes beside them.
cp tests/clients/{package.json,package-lock.json,huggingface.mjs} "$home/"
npm ci --prefix "$home" --no-audit --no-fund --loglevel error >/dev/null

scratch=$(mktemp -d)
service=
stop() {
  [ -z "$service" ] || kill "$service" 2>/dev/null || true
  rm -rf "$scratch"
}
trap stop EXIT
key=$("$dateline" keys add clients --file "$scratch/keys.toml" 2>"$scratch/said") \
  || { cat "$scratch/said" >&2; exit 1; }

mkfifo "$scratch/log"
"$dateline" serve --listen 127.0.0.1:0 --keys "$scratch/keys.toml" --model "dateline-en-small=$model" \
  --color never 2>"$scratch/log" &
service=$!
exec {log}<"$scratch/log"
url='' line='' said=''
until [[ $line == *" ready, with the model "* ]]; do
  if ! read -r -t 120 line <&"$log"; then
    printf '%s serve does not get ready:\n%s' "$dateline" "$said" >&2
    exit 1
  fi
  said+=$line$'\n'
  if [[ $line =~ listening\ on\ (http://[^ ]+) ]]; then url=${BASH_REMATCH[1]}; fi
done

# Nobody's own token or proxy goes into this.
unset HF_TOKEN HUGGING_FACE_HUB_TOKEN HF_HUB_OFFLINE
export HF_HOME=$scratch/hf HF_HUB_DISABLE_TELEMETRY=1 NO_PROXY=127.0.0.1
"$home/venv/bin/python" tests/clients/huggingface.py "$url" "$key"
echo "huggingface_hub (Python): ok"
node "$home/huggingface.mjs" "$url" "$key"
echo "@huggingface/inference (Node): ok"
