# For the clients beside this, read by their run.sh: `prepare NAME` makes the virtual environment `venv` of the folder
# NAME, `serve` starts a service with keys on a free port and sets `url` and `key`. It ends with the script.
#
# The binary is $DATELINE, the model $MODEL, and virtual environments go into the folder $INTEGRATIONS_VENV.

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
dateline=${DATELINE:-${CARGO_TARGET_DIR:-target}/release/dateline}
model=${MODEL:-models/dateline-en-small}
venvs=${INTEGRATIONS_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/dateline/integrations}
scratch=$(mktemp -d)
service=

stop() {
  [ -z "$service" ] || kill "$service" 2>/dev/null || true
  rm -rf "$scratch"
}
trap stop EXIT

prepare() {
  venv=$venvs/$1
  command -v "$dateline" >/dev/null || { echo "there is no $dateline: build it, or name it with DATELINE" >&2; exit 1; }
  [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "${@:2}" \
    --requirement "tests/integrations/$1/requirements.txt"
}

serve() {
  local line='' said='' log
  key=$("$dateline" keys add integrations --file "$scratch/keys.toml" 2>"$scratch/said") \
    || { cat "$scratch/said" >&2; exit 1; }
  mkfifo "$scratch/log"
  "$dateline" serve --listen 127.0.0.1:0 --keys "$scratch/keys.toml" --model "dateline-en-small=$model" \
    --color never 2>"$scratch/log" &
  service=$!
  # Kept open to the end: a service whose log nobody reads would end with it.
  exec {log}<"$scratch/log"
  until [[ $line == *" ready, with the model "* ]]; do
    if ! read -r -t 120 line <&"$log"; then
      printf '%s serve does not get ready:\n%s' "$dateline" "$said" >&2
      exit 1
    fi
    said+=$line$'\n'
    if [[ $line =~ listening\ on\ (http://[^ ]+) ]]; then url=${BASH_REMATCH[1]}; fi
  done
  # Nobody's own proxy goes into this.
  export NO_PROXY=127.0.0.1
}
