#!/usr/bin/env bash
# Superdesk's own client for iMatrics, in the version pinned beside this, on a service with keys on a free port. It comes
# from PyPI into $INTEGRATIONS_VENV; the service is $DATELINE.
#
# What it needs is pinned one by one and not resolved: superdesk-core 2.5.3, the last release on PyPI, asks for versions
# that do not build on today's Python; those pinned are what its client can do with.
set -euo pipefail
cd "$(dirname "$0")/../../.."
here=tests/integrations/superdesk
venv=${INTEGRATIONS_VENV:-${CARGO_TARGET_DIR:-target}/integrations/superdesk/venv}
source tests/integrations/service.sh

mkdir -p "$(dirname "$venv")"
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --requirement "$here/requirements.txt"

serve
# Nobody's own proxy goes into this.
export NO_PROXY=127.0.0.1
"$venv/bin/python" -B "$here/client.py" "$url" "$key"
echo "superdesk-core, superdesk.text_checkers.ai.imatrics: ok"
