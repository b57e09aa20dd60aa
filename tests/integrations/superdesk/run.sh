#!/usr/bin/env bash
# Superdesk's own client for iMatrics, in the version pinned beside this, on a service with keys on a free port.
# Its requirements are pinned one by one and not resolved: superdesk-core 2.5.3 is the last on PyPI, and asks for
# releases that do not build on today's Python. What the client itself needs of them does.
set -euo pipefail
. "$(dirname "$0")/../service.sh"
prepare superdesk --no-deps
serve
"$venv/bin/python" tests/integrations/superdesk/client.py "$url" "$key"
echo "superdesk-core, superdesk.text_checkers.ai.imatrics: ok"
