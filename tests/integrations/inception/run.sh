#!/usr/bin/env bash
# What INCEpTION's external recommender sends, made and read by DKPro Cassis in the version pinned beside this, on a
# service with keys on a free port.
set -euo pipefail
. "$(dirname "$0")/../service.sh"
prepare inception
serve
"$venv/bin/python" tests/integrations/inception/client.py "$url" "$key"
echo "dkpro-cassis: ok"
