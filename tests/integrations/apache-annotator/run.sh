#!/usr/bin/env bash
# Apache Annotator, in the version pinned beside this, on a service on a free port. It comes from npm into
# target/apache-annotator; the service is $DATELINE.
set -euo pipefail
cd "$(dirname "$0")/../../.."
here=tests/integrations/apache-annotator
home=${CARGO_TARGET_DIR:-target}/apache-annotator
dateline=${DATELINE:-${CARGO_TARGET_DIR:-target}/release/dateline}

command -v "$dateline" >/dev/null || { echo "there is no $dateline: build it, or name it with DATELINE" >&2; exit 1; }
mkdir -p "$home"
# A module finds its packages in the folders above it, so it goes beside them.
cp "$here"/{package.json,package-lock.json,annotator.test.mjs} "$home/"
npm ci --prefix "$home" --no-audit --no-fund --loglevel error >/dev/null

scratch=$(mktemp -d)
service=
stop() {
  [ -z "$service" ] || kill "$service" 2>/dev/null || true
  rm -rf "$scratch"
}
trap stop EXIT
mkfifo "$scratch/log"
"$dateline" serve --listen 127.0.0.1:0 --color never 2>"$scratch/log" &
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
DATELINE_URL=$url NO_PROXY=127.0.0.1 node --test "$home/annotator.test.mjs"
