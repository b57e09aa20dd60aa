#!/usr/bin/env bash
# What INCEpTION's external recommender sends, made and read by DKPro Cassis in the version pinned beside this, on a
# service with keys on a free port. Cassis comes from PyPI into $INTEGRATIONS_VENV; the service is $DATELINE.
set -euo pipefail
cd "$(dirname "$0")/../../.."
here=tests/integrations/inception
venv=${INTEGRATIONS_VENV:-${CARGO_TARGET_DIR:-target}/integrations/inception/venv}
source tests/integrations/service.sh

mkdir -p "$(dirname "$venv")"
environment "$here" "$venv"

serve
# Nobody's own proxy goes into this.
export NO_PROXY=127.0.0.1
"$venv/bin/python" -B "$here/client.py" "$url" "$key"
echo "dkpro-cassis: ok"
