#!/usr/bin/env bash
# Amazon's clients for Comprehend, in the versions pinned beside this, on a service with keys on a free port.
# They come from PyPI into $INTEGRATIONS_VENV and from npm into target/integrations; the service is $DATELINE.
set -euo pipefail
cd "$(dirname "$0")/../../.."
here=tests/integrations/comprehend
home=${CARGO_TARGET_DIR:-target}/integrations/comprehend
venv=${INTEGRATIONS_VENV:-$home/venv}
source tests/integrations/service.sh

mkdir -p "$home"
environment "$here" "$venv"
# A module finds its packages in the folders above it, so it goes beside them.
cp "$here"/{package.json,package-lock.json,comprehend.mjs} "$home/"
npm ci --prefix "$home" --no-audit --no-fund --loglevel error >/dev/null

serve
# Nobody's own settings for Amazon go into this.
unset "${!AWS_@}"
export AWS_EC2_METADATA_DISABLED=true AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null NO_PROXY=127.0.0.1
"$venv/bin/python" -B "$here/comprehend.py" "$url" "$key"
echo "boto3 (Python): ok"
node "$home/comprehend.mjs" "$url" "$key"
echo "@aws-sdk/client-comprehend (Node): ok"
