#!/usr/bin/env bash
# NVIDIA's Triton clients, in the version pinned beside this, on a service with keys on a free port. They come from PyPI
# into $INTEGRATIONS_VENV; the service is $DATELINE.
set -euo pipefail
cd "$(dirname "$0")/../../.."
here=tests/integrations/open-inference
venv=${INTEGRATIONS_VENV:-${CARGO_TARGET_DIR:-target}/integrations/open-inference/venv}
source tests/integrations/service.sh

mkdir -p "$(dirname "$venv")"
environment "$here" "$venv"

serve
# Nobody's own proxy goes into this.
export NO_PROXY=127.0.0.1
"$venv/bin/python" -B "$here/client.py" "$url" "$key"
echo "tritonclient[http]: ok"
