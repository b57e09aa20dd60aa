# Sourced by the run.sh of each protocol: `serve` starts $DATELINE with keys on a free port of this machine and sets `url`
# and `key`. What it starts ends with the script.
scratch=$(mktemp -d)
started=()
stop() {
  [ "${#started[@]}" = 0 ] || kill "${started[@]}" 2>/dev/null || true
  wait
  rm -rf "$scratch"
}
trap stop EXIT

# Starts the service; arguments go to it.
serve() {
  local dateline=${DATELINE:-${CARGO_TARGET_DIR:-target}/release/dateline} line='' said=''
  command -v "$dateline" >/dev/null || { echo "there is no $dateline: build it, or name it with DATELINE" >&2; exit 1; }
  key=$("$dateline" keys add clients --file "$scratch/keys.toml" 2>"$scratch/said") \
    || { cat "$scratch/said" >&2; exit 1; }
  mkfifo "$scratch/log"
  "$dateline" serve --listen 127.0.0.1:0 --keys "$scratch/keys.toml" \
    --model "dateline-en-small=${MODEL:-models/dateline-en-small}" --color never "$@" 2>"$scratch/log" &
  started+=("$!")
  exec {log}<"$scratch/log"
  until [[ $line == *" ready, with the model "* ]]; do
    if ! read -r -t 120 line <&"$log"; then
      printf '%s serve does not get ready:\n%s' "$dateline" "$said" >&2
      exit 1
    fi
    said+=$line$'\n'
    if [[ $line =~ listening\ on\ (http://[^ ]+) ]]; then url=${BASH_REMATCH[1]}; fi
  done
  # Read on, or the service would wait for somebody to read its log; what it logs is looked at in the end.
  cat <&"$log" >"$scratch/service.log" &
  started+=("$!")
}

# A virtual environment with the packages that are pinned beside the script in $1, in the folder $2.
environment() {
  [ -x "$2/bin/python" ] || python3 -m venv "$2"
  "$2/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$1/requirements.txt"
}
