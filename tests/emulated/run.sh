#!/usr/bin/env bash
# The tests of the kernels on emulated processors, so that each instruction set is run before a release, whatever
# machine it is made on: `make emulated`. README.md says what has to be installed.
#
#   tests/emulated/run.sh [x86_64|aarch64]    # both unless one is named
set -euo pipefail
cd "$(dirname "$0")/../.."

# Emulators are slow: optimised, but with few cases of each property, as in a debug build, and overflow checked.
export CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS=true
static="-C target-feature=+crt-static"

need() {
    for program; do
        command -v "$program" >/dev/null || { echo "there is no $program: see tests/emulated/README.md" >&2; exit 1; }
    done
}

kernels() {
    echo "== $EMULATED_CPU"
    cargo test --quiet --release --package dateline-kernels --lib --target "$1"
}

x86_64() {
    need bochs busybox cpio python3 strip xorriso
    export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS="$static"
    export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="$PWD/tests/emulated/bochs.sh"
    # AVX-512 VNNI, AVX-VNNI and AVX2 in one; AVX-VNNI without AVX-512; and none of them.
    for EMULATED_CPU in ${X86_64_CPUS:-sapphire_rapids arrow_lake corei5_lynnfield_750}; do
        export EMULATED_CPU
        kernels x86_64-unknown-linux-gnu
    done
}

aarch64() {
    need aarch64-linux-gnu-gcc qemu-aarch64
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS="$static"
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
    # NEON with dot products; and without them.
    for EMULATED_CPU in ${AARCH64_CPUS:-neoverse-n1 cortex-a53}; do
        export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -cpu $EMULATED_CPU"
        kernels aarch64-unknown-linux-gnu
    done
}

case ${1:-} in
    '') x86_64; aarch64 ;;
    x86_64 | aarch64) "$1" ;;
    *) echo "usage: tests/emulated/run.sh [x86_64|aarch64]" >&2; exit 2 ;;
esac
