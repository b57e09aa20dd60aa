#!/usr/bin/env bash
# The newsroom formats' golden files before the published schemas and the tools of those who read them. See README.md.
# The tools come from PyPI into $INTEGRATIONS_VENV, the schemas from their owners into $NEWSROOM_SCHEMAS, once.
set -euo pipefail
cd "$(dirname "$0")"
target=${CARGO_TARGET_DIR:-$(cd ../../.. && pwd)/target}
venv=${INTEGRATIONS_VENV:-$target/integrations/newsroom/venv}
schemas=${NEWSROOM_SCHEMAS:-$target/integrations/newsroom/schemas}
tests=w3c/web-annotation-tests tests_commit=adedd9a5f06d9daa75bbfbb97aa9215cd09b4bb5

mkdir -p "$schemas"
while read -r sum name url; do
  [ -f "$schemas/$name" ] || curl --fail --silent --show-error --location --output "$schemas/$name" "$url"
  echo "$sum  $schemas/$name" | sha256sum --check --quiet
done <schemas.txt
if [ ! -d "$schemas/web-annotation-tests" ]; then
  mkdir -p "$schemas/unpacking"
  curl --fail --silent --show-error --location "https://codeload.github.com/$tests/tar.gz/$tests_commit" \
    | tar -xz --strip-components=1 -C "$schemas/unpacking"
  mv "$schemas/unpacking" "$schemas/web-annotation-tests"
fi

[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
exec "$venv/bin/python" -B check.py "$schemas" ../../../crates/formats/tests/golden/newsroom
