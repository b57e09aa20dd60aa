#!/usr/bin/env bash
# The golden files of the formats in the readers of others, in the versions pinned beside this. These come from PyPI into
# $INTEGRATIONS_VENV, once.
set -euo pipefail
cd "$(dirname "$0")/../../.."
venv=${INTEGRATIONS_VENV:-${CARGO_TARGET_DIR:-target}/integrations/formats}

[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement tests/integrations/formats/requirements.txt
"$venv/bin/python" tests/integrations/formats/check.py crates/formats/tests/golden
