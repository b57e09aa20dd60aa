#!/usr/bin/env bash
# Gets NVIDIA's compiler from PyPI (102 MB, once), without root and without a GPU, and prints the folder in which it lies
# as one toolkit. The folder is kept in CUDA_TOOLKIT, or among the user's caches.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
folder="${CUDA_TOOLKIT:-${XDG_CACHE_HOME:-$HOME/.cache}/dateline/cuda-13.0}"

if ! cmp -s "$here/requirements.txt" "$folder/.made-from"; then
    # Beside the folder, which then appears all at once or not at all.
    work="$folder.$$"
    trap 'rm -rf "$work"' EXIT
    mkdir -p "$work/wheels"
    echo "fetching NVIDIA's compiler from PyPI into $folder" >&2
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
        --dest "$work/wheels" --requirement "$here/requirements.txt" >&2
    for wheel in "$work/wheels"/*.whl; do
        python3 -m zipfile -e "$wheel" "$work/unpacked"
    done
    toolkit="$work/unpacked/nvidia/cu13"
    chmod +x "$toolkit"/bin/* "$toolkit"/nvvm/bin/*
    # What a toolkit of NVIDIA's own has under these names.
    ln -s lib "$toolkit/lib64"
    ln -s libcudart_static.a "$toolkit/lib/libcudart.a"
    cp "$here/requirements.txt" "$toolkit/.made-from"
    rm -rf "$folder"
    mv "$toolkit" "$folder"
fi
echo "$folder"
