/*
 * Stands at link time for NVIDIA's libraries, so that `dateline` needs them only when a GPU is asked for.
 *
 * candle links its CUDA builds against libcuda, cuBLAS and so on: such a program does not even start on a machine
 * without them, `--device cpu` or not. With this, every function is a jump through a pointer, and the pointers are filled
 * when cuInit is called, which is what a program calls first. If a library is not there, cuInit fails like any other
 * call, and cuGetErrorString says which one it was.
 *
 * functions.h is made by late.sh: one F(library, function) for each function that candle's CUDA bindings declare.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum library { CUDA, CUBLASLT, CUBLAS, CURAND, NVRTC, LIBRARIES };

/* In this order: cuBLAS needs cuBLASLt, and finds it loaded. NVRTC is only for kernels that come as source. */
static const struct {
    const char *file;
    int needed;
} libraries[LIBRARIES] = {
    [CUDA] = {"libcuda.so.1", 1},       [CUBLASLT] = {"libcublasLt.so.13", 1}, [CUBLAS] = {"libcublas.so.13", 1},
    [CURAND] = {"libcurand.so.10", 1},  [NVRTC] = {"libnvrtc.so.13", 0},
};

enum { SUCCESS = 0, INVALID_VALUE = 1, SHARED_OBJECT_INIT_FAILED = 303 };

static void absent(void) {
    fputs("dateline: CUDA's libraries lack a function that was called: are they of CUDA 13, and the driver as new?\n",
          stderr);
    abort();
}

/* The pointers, all to `absent` at first. */
#define F(library, name) __attribute__((visibility("hidden"), used)) void (*late_##name)(void) = absent;
#include "functions.h"
#undef F

/* The functions. They leave registers and stack as they are, so that arguments of any kind arrive. */
#if defined(__x86_64__)
#define JUMP(name) "jmp *late_" name "(%rip)\n"
#elif defined(__aarch64__)
#define JUMP(name) "adrp x16, late_" name "\nldr x16, [x16, #:lo12:late_" name "]\nbr x16\n"
#else
#error "there is no CUDA for this processor"
#endif
#define F(library, name) \
    __asm__(".text\n.globl " #name "\n.type " #name ", %function\n" \
            #name ":\n" JUMP(#name) ".size " #name ", .-" #name "\n");
#include "functions.h"
#undef F

static const struct {
    enum library library;
    const char *name;
    void (**pointer)(void);
} functions[] = {
#define F(library, name) {library, #name, &late_##name},
#include "functions.h"
#undef F
};

/* These three have work to do before there are libraries. */
static int (*real_init)(unsigned);
static int (*real_name)(int, const char **);
static int (*real_string)(int, const char **);
/* Why the libraries were not loaded; empty if they were. */
static char failure[512] = "cuInit was not called";
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load(void) {
    void *opened[LIBRARIES];
    for (int library = 0; library < LIBRARIES; library++) {
        opened[library] = dlopen(libraries[library].file, RTLD_NOW | RTLD_LOCAL);
        if (!opened[library] && libraries[library].needed) {
            snprintf(failure, sizeof failure, "%s", dlerror());
            return;
        }
    }
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        void *library = opened[functions[i].library];
        void *found = library ? dlsym(library, functions[i].name) : NULL;
        if (found) {
            memcpy(functions[i].pointer, &found, sizeof found);
        }
    }
    void *init = dlsym(opened[CUDA], "cuInit"), *name = dlsym(opened[CUDA], "cuGetErrorName");
    void *string = dlsym(opened[CUDA], "cuGetErrorString");
    if (!init || !name || !string) {
        snprintf(failure, sizeof failure, "%s is no CUDA driver", libraries[CUDA].file);
        return;
    }
    memcpy(&real_init, &init, sizeof init);
    memcpy(&real_name, &name, sizeof name);
    memcpy(&real_string, &string, sizeof string);
    failure[0] = '\0';
}

int cuInit(unsigned flags) {
    pthread_once(&once, load);
    return failure[0] ? SHARED_OBJECT_INIT_FAILED : real_init(flags);
}

int cuGetErrorName(int error, const char **name) {
    if (!failure[0]) {
        return real_name(error, name);
    }
    *name = "CUDA_ERROR_SHARED_OBJECT_INIT_FAILED";
    return error == SHARED_OBJECT_INIT_FAILED ? SUCCESS : INVALID_VALUE;
}

int cuGetErrorString(int error, const char **string) {
    if (!failure[0]) {
        return real_string(error, string);
    }
    *string = failure;
    return error == SHARED_OBJECT_INIT_FAILED ? SUCCESS : INVALID_VALUE;
}
