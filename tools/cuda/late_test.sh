#!/usr/bin/env bash
# Tests late.c, without CUDA: a program that is linked with it starts, is told which library is missing, and reaches the
# functions of the libraries (here: made-up ones) once they are there.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
"$here/late.sh" late

cat > program.c <<'EOF'
#include <stdio.h>
int cuInit(unsigned), cuGetErrorString(int, const char **), cuMemsetD8_v2(unsigned long long, unsigned char, size_t);
int cublasSscal_v2(void *, int, const float *, float *, int);
int main(void) {
    int error = cuInit(7);
    if (error) {
        const char *why = "?";
        int said = cuGetErrorString(error, &why);
        return printf("%d %d %s\n", error, said, why) < 0;
    }
    float numbers[] = {1, 2};
    printf("%d %d\n", cuMemsetD8_v2(1ull << 40, 5, 6), cublasSscal_v2(0, 1, numbers, numbers + 1, 4));
    return 0;
}
EOF
cat > driver.c <<'EOF'
#include <stddef.h>
int cuInit(unsigned flags) { return flags == 7 ? 0 : 1; }
int cuGetErrorName(int error, const char **name) { *name = "name"; return error; }
int cuGetErrorString(int error, const char **string) { *string = "string"; return error; }
int cuMemsetD8_v2(unsigned long long to, unsigned char value, size_t count) {
    return to == 1ull << 40 ? value * count : -1;
}
EOF
cat > cublas.c <<'EOF'
int cublasSscal_v2(void *handle, int n, const float *a, float *x, int step) {
    return handle ? -1 : n + a[0] + x[0] + step;
}
EOF

# The names after the objects, as rustc gives them.
cc="${CC:-cc}"
"$cc" program.c -Llate -lcuda -lnvrtc -lcurand -lcublas -lcublasLt -ldl -lpthread -o program
expect() {
    local got
    got="$("${@:2}" 2>&1)" || true
    [[ "$got" == $1 ]] || { echo "expected $1, got $got" >&2; exit 1; }
}
expect "303 0 libcuda.so.1: *" ./program
: > empty.c
mkdir made-up
"$cc" -shared -fPIC empty.c -o made-up/libcuda.so.1
# A machine with a driver and no libraries.
expect "303 0 libcublasLt.so.13: *" env LD_LIBRARY_PATH=made-up ./program
"$cc" -shared -fPIC empty.c -o made-up/libcublasLt.so.13
"$cc" -shared -fPIC empty.c -o made-up/libcurand.so.10
"$cc" -shared -fPIC cublas.c -o made-up/libcublas.so.13
expect "303 0 libcuda.so.1 is no CUDA driver" env LD_LIBRARY_PATH=made-up ./program
"$cc" -shared -fPIC driver.c -o made-up/libcuda.so.1
expect "30 8" env LD_LIBRARY_PATH=made-up ./program
# A driver without a function that is called, and what follows from it.
sed -i 's/cuMemsetD8_v2/cuSomethingElse/' driver.c
"$cc" -shared -fPIC driver.c -o made-up/libcuda.so.1
expect "*dateline: CUDA's libraries lack a function*" env LD_LIBRARY_PATH=made-up ./program
echo "late.c: ok"
