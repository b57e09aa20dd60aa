#!/usr/bin/env bash
# Asks a running service what its OpenAPI document promises: schemathesis reads /openapi.json, makes requests that fit it
# and requests that do not, and holds every answer to it. Ends with 1 if anything is not as described.
#
#   make contract                                     # the binary of `cargo build --release`
#   DATELINE=target/debug/dateline tests/contract/run.sh
#   tests/contract/run.sh --include-path /v1/annotate # what follows goes to schemathesis
#   CONTRACT_URL=http://127.0.0.1:8080 tests/contract/run.sh   # a service that already runs, without keys
set -euo pipefail
cd "$(dirname "$0")/../.."

dateline="${DATELINE:-target/release/dateline}"
# A model of a few kilobytes: what it finds is noise, and it finds it at once.
model="${CONTRACT_MODEL:-crates/model/tests/fixtures/parity/bert-casing}"
venv="${CONTRACT_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/dateline/contract}"
schema="${CONTRACT_SCHEMA:-}"
examples="${CONTRACT_EXAMPLES:-60}"
seconds="${CONTRACT_SECONDS:-600}"

# All that schemathesis can check, but for:
#   missing_required_header       no header is required.
#   ignored_auth                  keys are optional, and this service runs without; tests/http.rs has the keys.
#   use_after_free, ensure_resource_availability, object_level_authorization
#                                 nothing is made, kept or owned here.
checks=(
    not_a_server_error
    status_code_conformance
    content_type_conformance
    response_headers_conformance
    response_schema_conformance
    negative_data_rejection
    positive_data_acceptance
    unsupported_method
    allow_header_conformance
    right_lines_are_annotated # of hooks.py
)

requirements=tests/contract/requirements.txt
[[ -x "$venv/bin/python" ]] || python3 -m venv "$venv"
if ! cmp -s "$requirements" "$venv/installed.txt"; then
    echo "installing $(paste -sd ' ' "$requirements") into $venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements"
    cp "$requirements" "$venv/installed.txt"
fi
"$venv/bin/shellcheck" tests/contract/run.sh
"$venv/bin/python" tests/contract/examples.py "${schema:-docs/openapi.json}"

scratch="$(mktemp -d)"
server=
# shellcheck disable=SC2329 # the trap calls it
finish() {
    if [[ -n "$server" ]]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$scratch"
}
trap finish EXIT

url="${CONTRACT_URL:-}"
if [[ -z "$url" ]]; then
    if [[ ! -x "$dateline" ]]; then
        echo "there is no $dateline: build it with cargo build --release, or set DATELINE" >&2
        exit 2
    fi
    "$dateline" serve --listen 127.0.0.1:0 --model "$model" 2>"$scratch/log" &
    server=$!
    for ((tries = 0; tries < 300; tries++)); do
        url="$(sed -nE 's|.*listening on (http://[0-9.:]+).*|\1|p' "$scratch/log" | head -n 1)"
        if [[ -n "$url" ]] || ! kill -0 "$server" 2>/dev/null; then break; fi
        sleep 0.1
    done
    if [[ -z "$url" ]]; then
        echo "$dateline does not listen:" >&2
        cat "$scratch/log" >&2
        exit 2
    fi
fi
# Until the model has answered its first text, texts are refused with 503.
ready=
for ((tries = 0; tries < 300; tries++)); do
    if curl -fsS -o /dev/null "$url/health/ready" 2>/dev/null; then
        ready=yes
        break
    fi
    sleep 0.1
done
if [[ -z "$ready" ]]; then
    echo "$url/health/ready does not become 200" >&2
    exit 2
fi

status=0
# The time is bounded from outside: with a bound of its own, schemathesis goes on until it is spent.
# It leaves notes in the folder that it runs in: those go with the rest.
root="$PWD"
[[ -z "$schema" ]] || schema="$(realpath "$schema")"
cd "$scratch"
SCHEMATHESIS_HOOKS="$root/tests/contract/hooks.py" timeout "$seconds" "$venv/bin/schemathesis" \
    --config-file "$root/tests/contract/schemathesis.toml" run "${schema:-$url/openapi.json}" --url "$url" \
    --checks "$(IFS=,; echo "${checks[*]}")" \
    --phases examples,coverage,fuzzing --mode all \
    --seed 20260101 --max-examples "$examples" --request-timeout 30 --workers 1 \
    --continue-on-failure "$@" || status=$?
if ((status == 124)); then
    echo "not done after $seconds seconds (CONTRACT_SECONDS)" >&2
fi
if ((status != 0)) && [[ -s "$scratch/log" ]]; then
    echo "The end of the service's log:" >&2
    tail -n 20 "$scratch/log" >&2
fi
exit "$status"
