#!/usr/bin/env bash
# Everything that is checked about the Python client: ruff, mypy, its tests against the real service, and the packages that
# would go to PyPI, installed in a bare virtual environment. What it needs comes from PyPI.
#
#   DATELINE=target/release/dateline clients/python/check.sh
#   PYTHON=python3.13 CLIENT_VENV=/tmp/client clients/python/check.sh    # another Python, another place
set -euo pipefail
cd "$(dirname "$0")/../.."

python=${PYTHON:-python3}
venv=${CLIENT_VENV:-${CARGO_TARGET_DIR:-target}/python-client}
dateline=${DATELINE:-${CARGO_TARGET_DIR:-target}/release/dateline}

dateline=$(command -v "$dateline") || { echo "there is no program $dateline: build it, or name it with DATELINE" >&2; exit 1; }
DATELINE=$(realpath "$dateline")
export DATELINE
mkdir -p "$venv"
venv=$(realpath "$venv")
cd clients/python

[[ -x "$venv/dev/bin/python" ]] || "$python" -m venv "$venv/dev"
"$venv/dev/bin/python" -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
"$venv/dev/bin/python" --version
"$venv/dev/bin/python" -m pip list --disable-pip-version-check --format freeze \
    | grep -E '^(httpx|h11|spacy|pandas|polars|ruff|mypy|pytest|hypothesis)=='

export RUFF_CACHE_DIR="$venv/ruff" MYPY_CACHE_DIR="$venv/mypy"
"$venv/dev/bin/ruff" check src tests
"$venv/dev/bin/ruff" format --check src tests
"$venv/dev/bin/mypy"
# The cache is the tests' own memory of failures; none is wanted beside the sources.
HYPOTHESIS_STORAGE_DIRECTORY="$venv/hypothesis" "$venv/dev/bin/python" -m pytest -p no:cacheprovider

rm -rf "$venv/dist" "$venv/bare"
"$venv/dev/bin/python" -m build --outdir "$venv/dist" . >/dev/null
"$python" -m venv "$venv/bare"
"$venv/bare/bin/python" -m pip install --quiet --disable-pip-version-check "$venv"/dist/*.whl
(cd "$venv/bare" && ./bin/python -W error "$OLDPWD/tests/smoke.py")
rm -rf "$venv/bare"
echo "the Python client is all right; its packages:"
ls "$venv/dist"
