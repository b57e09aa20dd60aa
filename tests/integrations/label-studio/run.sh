#!/usr/bin/env bash
# Label Studio, in the version pinned beside this, with a service with keys as its backend, both on this machine. Its
# packages (1 GB) come from PyPI into $INTEGRATIONS_VENV; the service is $DATELINE. The page of a task is looked at in
# /usr/bin/chromium; with PICTURE=file.png it is kept.
set -euo pipefail
cd "$(dirname "$0")/../../.."
here=tests/integrations/label-studio
venv=${INTEGRATIONS_VENV:-${CARGO_TARGET_DIR:-target}/integrations/label-studio/venv}
source tests/integrations/service.sh

environment "$here" "$venv"
serve

export LABEL_STUDIO_BASE_DATA_DIR=$scratch/data LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN=true COLLECT_ANALYTICS=false
# It calls no backend on its own machine or network otherwise.
export ML_BLOCK_LOCAL_IP=false SSRF_PROTECTION_ENABLED=false
export NO_PROXY=127.0.0.1 LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK=true
mkdir -p "$LABEL_STUDIO_BASE_DATA_DIR"
port=$("$venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
studio=http://127.0.0.1:$port user=editor@example.org password=$RANDOM$RANDOM$RANDOM
token=$("$venv/bin/python" -c 'import secrets; print(secrets.token_hex(20))')
"$venv/bin/label-studio" start --no-browser --port "$port" --internal-host 127.0.0.1 --host "$studio" \
  --username "$user" --password "$password" --user-token "$token" >"$scratch/studio.log" 2>&1 &
started+=("$!")
# The first start makes the database, which takes minutes on a slow machine.
curl --silent --fail --output /dev/null --retry 300 --retry-delay 2 --retry-connrefused "$studio/health" \
  || { cat "$scratch/studio.log" >&2; exit 1; }

"$venv/bin/python" -B "$here/label_studio.py" "$studio" "$token" "$user" "$password" \
  "$url/integrations/label-studio" "$key" ${PICTURE:+"$PICTURE"} || { tail -50 "$scratch/studio.log" >&2; exit 1; }
if grep -qF -e "$token" -e "$key" "$scratch/service.log"; then
  echo "the service logged a token" >&2
  exit 1
fi
echo "no token in the service's log: ok"
