/* Every kernel's contract, and the table through which the operator calls them.
 *
 * A kernel knows tiles, not descriptors: it reads and writes plain arrays whose sizes its arguments give, allocates
 * nothing, keeps no state, and computes the same bits whichever worker runs it. Its body is one C file over simd.h,
 * built once per instruction set; the function f becomes f_scalar, f_avx2 and f_avx512. */
#ifndef KERNELS_KERNELS_H
#define KERNELS_KERNELS_H

#include "cpu/cpu.h"

#include <stdint.h>

/* Runs `rounds` rounds of independent fused multiply-adds on registers alone and returns how many floating-point
 * operations that was: what the best possible kernel could reach in the same time. `sink` receives a number that
 * depends on every one of them, so that none is optimised away. */
typedef double peak_kernel(int64_t rounds, float *sink);

typedef struct kernel_table {
    cpu_level level; /* of the widest kernel in the table */
    int lanes;       /* floats in a vector */
    peak_kernel *peak;
} kernel_table;

/* The table for a CPU of this level: C first, each instruction set overriding. A level that this build has no kernels
 * for gives the widest one below it. */
void kernels_fill(kernel_table *table, cpu_level level);

/* The table of this machine's level, capped by ATTN_CPU; filled once. Safe from any thread. */
const kernel_table *kernels_table(void);

#endif
