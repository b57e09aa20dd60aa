#!/usr/bin/env bash
# Retrains this model: `models/dateline-en-small/train.sh BASE CORPUS LISTS OUT`, with the folders that MODEL_CARD.md names.
set -euo pipefail
base=$1 corpus=$2 lists=$3 out=$4
here=$(dirname "$0")
names=$(mktemp -d)
trap 'rm -rf "$names"' EXIT

# The lists are noisy: brackets, descriptions and odd lengths are left out, and a quarter of the villages is enough.
clean() { sed -E 's/ *\([^)]*\)//g' "$1" | grep -vE '[:/"]|[Uu]nknown|based| for | with | and |converted' | awk -v most="$2" 'length > 2 && length < most' | sort -u; }
clean "$lists/weapons.txt" 32 > "$names/weapons.txt"
clean "$lists/units.txt" 48 > "$names/units.txt"
clean "$lists/places-ukraine.txt" 24 | awk 'NR % 4 == 0' > "$names/places.txt"

dateline=${DATELINE:-dateline}
"$dateline" train --base "$base" --out "$out" --recipe "$here/recipe.json" \
  --train "$corpus/train.jsonl" --dev "$corpus/dev.jsonl" \
  --names "WEAPON=$names/weapons.txt" --names "UNIT=$names/units.txt" --names "PLACE=$names/places.txt" \
  --window-tokens 256 --stride-tokens 64 "${@:5}"
