#!/usr/bin/env bash
# Makes the libraries that a build for NVIDIA's GPUs is linked with (late.c says why):
#   tools/cuda/late.sh FOLDER
# Which functions they have is read from candle's CUDA bindings, the crate cudarc, in the version of Cargo.lock.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
folder="$1"

workspace="$here/../../Cargo.toml"
manifest="$("${CARGO:-cargo}" metadata --format-version 1 --features dateline-cli/cuda --manifest-path "$workspace" |
    grep -oE '"manifest_path":"[^"]*/cudarc-[^"/]*/Cargo.toml"' | cut -d '"' -f 4)"
bindings="$(dirname "$manifest")/src"

mkdir -p "$folder"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
for library in driver:CUDA cublas:CUBLAS cublaslt:CUBLASLT curand:CURAND nvrtc:NVRTC; do
    # Declarations end in a semicolon, the wrappers around them in a brace; late.c has three functions of its own.
    grep -oE '^ +fn (cu|nvrtc)[A-Za-z0-9_]+\(.*;$' "$bindings/${library%%:*}/sys/mod.rs" |
        sed -E "s/^ +fn ([A-Za-z0-9_]+).*/F(${library##*:}, \1)/" | sort -u |
        grep -vE '\b(cuInit|cuGetErrorName|cuGetErrorString)\b'
done > "$work/functions.h"

"${CC:-cc}" -std=gnu11 -O2 -fPIC -Wall -Wextra -Werror -I "$work" -c "$here/late.c" -o "$work/late.o"
# All of it lies in libcuda; the other names only have to be found.
rm -f "$folder"/lib{cuda,cublas,cublasLt,curand,nvrtc}.a
ar rcs "$folder/libcuda.a" "$work/late.o"
for name in cublas cublasLt curand nvrtc; do
    ar rcs "$folder/lib$name.a"
done
