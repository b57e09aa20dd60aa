#!/usr/bin/env bash
# NVIDIA's Triton clients, in the version pinned beside this, on a service with keys on a free port.
set -euo pipefail
. "$(dirname "$0")/../service.sh"
prepare open-inference
serve
"$venv/bin/python" tests/integrations/open-inference/client.py "$url" "$key"
echo "tritonclient[http]: ok"
