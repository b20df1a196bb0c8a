/* What this CPU has, asked once. The levels are ordered: each one includes those before it. Every architecture has
 * levels of its own above the first. */
#ifndef CPU_CPU_H
#define CPU_CPU_H

typedef enum cpu_level {
    CPU_SCALAR, /* strict C, on every machine */
#if defined(__x86_64__)
    CPU_AVX2,       /* AVX2, FMA and F16C */
    CPU_AVX512,     /* AVX-512 F, BW, DQ and VL */
    CPU_AVX512BF16, /* and BF16: products of pairs of bf16 */
    CPU_AMX,        /* and AMX-BF16: products of tiles of bf16 */
#elif defined(__aarch64__)
    CPU_NEON, /* Advanced SIMD */
#endif
    CPU_LEVELS /* how many there are */
} cpu_level;

enum { CPU_NAME = 96 };

typedef struct cpu_report {
    cpu_level found;        /* what the CPU has and the operating system saves */
    cpu_level used;         /* found, capped by ATTN_CPU */
    char requested[32];     /* ATTN_CPU as it was given (cut to fit), "" if unset or empty */
    int requested_is_known; /* 0: ATTN_CPU holds no level's name, and caps nothing; attn info says so */
    char name[CPU_NAME];    /* the CPU's own, with family and model; "" if it has none */
} cpu_report;

/* Filled on the first call, the same ever after. Safe from any thread. Linux gives AMX's registers only to processes
 * that ask: where the CPU has them, the first call does, and CPU_AMX is found if they are granted. */
const cpu_report *cpu_detect(void);

/* "scalar", "avx2", "avx512", "avx512bf16", "amx", "neon": the names that ATTN_CPU takes. */
const char *cpu_level_name(cpu_level level);

/* This architecture's names, for messages: "scalar or neon". */
const char *cpu_level_names(void);

/* The level of that name; 0 when there is none, and *level stays as it is. */
int cpu_level_parse(const char *name, cpu_level *level);

#endif
