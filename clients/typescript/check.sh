#!/usr/bin/env bash
# Everything that has to hold before this package may be published: clean install, types from the service's description,
# build, lint, type check, tests without a service, with a real one and in a real browser, the package as npm would send
# it, and its use in empty projects. The service is $DATELINE, the browser $CHROMIUM; Deno and Bun are used if they are there.
set -euo pipefail
cd "$(dirname "$0")"
DATELINE=$(realpath "${DATELINE:-${CARGO_TARGET_DIR:-../../target}/release/dateline}")
export DATELINE
CHROMIUM=${CHROMIUM:-$(command -v chromium || command -v google-chrome || true)}
export CHROMIUM
[ -x "$DATELINE" ] || { echo "there is no $DATELINE: build it, or name it with DATELINE" >&2; exit 1; }

scratch=$(mktemp -d)
service=
stop() {
  [ -z "$service" ] || kill "$service" 2>/dev/null || true
  rm -rf "$scratch"
}
trap stop EXIT
step() { printf '\n== %s (%d s)\n' "$1" "$SECONDS"; }

step "npm ci"
npm ci --no-audit --no-fund --loglevel error
step "types are those of docs/openapi.json"
npm run --silent check:generated || { echo "src/api.ts is stale: npm run generate" >&2; exit 1; }
step "build, lint, types"
npm run --silent build
npm run --silent lint
npm run --silent typecheck
step "tests without a service"
npm test --silent
step "tests with $DATELINE"
npm run --silent test:service
if [ -n "$CHROMIUM" ]; then
  step "tests in $CHROMIUM"
  npm run --silent test:browser
else
  step "NOT tested in a browser: there is none; name it with CHROMIUM"
fi

step "the package"
npm pack --silent --pack-destination "$scratch"
tarball=$(echo "$scratch"/*.tgz)
tar -tzf "$tarball" | sort
npx --no-install publint run --strict "$tarball"
npx --no-install attw --profile esm-only --exclude-entrypoints ./style.css -- "$tarball"

step "the package in an empty project"
mkdir "$scratch/project"
cp test/consumer/* "$scratch/project/"
(
  cd "$scratch/project"
  npm install --silent --no-audit --no-fund "$tarball"
  npm ls --all --omit=dev
)
# Its declarations, for a program without a DOM and for a page without Node.
npx --no-install tsc -p "$scratch/project/tsconfig.node.json" --typeRoots "$PWD/node_modules/@types"
npx --no-install tsc -p "$scratch/project/tsconfig.page.json"

mkfifo "$scratch/log"
"$DATELINE" serve --listen 127.0.0.1:0 --color never 2>"$scratch/log" &
service=$!
exec {log}<"$scratch/log"
url='' line=''
until [[ $line == *" ready, with the model "* ]]; do
  read -r -t 120 line <&"$log" || { echo "the service does not get ready: $line" >&2; exit 1; }
  if [[ $line =~ listening\ on\ (http://[^ ]+) ]]; then url=${BASH_REMATCH[1]}; fi
done
for runtime in node "deno run --allow-net --allow-env" bun; do
  if command -v "${runtime%% *}" >/dev/null; then
    # shellcheck disable=SC2086 # a command and its arguments
    (cd "$scratch/project" && $runtime use.mjs "$url")
  else
    echo "NOT tried with ${runtime%% *}: it is not installed"
  fi
done
step "all is well"
