#include "cpu/cpu.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

/* XCR0: which register files the operating system saves. A CPU that has AVX-512 under a system that does not save it
 * faults. */
static uint64_t saved_registers(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

#if defined(__linux__)
#define ARCH_REQ_XCOMP_PERM 0x1023 /* asm/prctl.h of Linux 5.16 */
#define XFEATURE_TILE_DATA 18

static bool tiles_permitted(void)
{
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_TILE_DATA) == 0;
}
#else
static bool tiles_permitted(void)
{
    return false; /* no other system is known to save them */
}
#endif

/* AMX-TILE and AMX-BF16, and the tiles of palette 1, eight of 16 rows of 64 bytes, which the kernels are written for.
 */
static bool has_tiles(uint64_t saved)
{
    const unsigned tile_bf16 = 1u << 22, tile = 1u << 24;
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & tile) || !(d & tile_bf16)) return false;
    if ((saved & 0x60000) != 0x60000) return false; /* TILECFG and TILEDATA */
    if (!__get_cpuid_count(0x1d, 1, &a, &b, &c, &d)) return false;
    return a >> 16 == 1024 && (b & 0xffff) == 64 && b >> 16 == 8 && (c & 0xffff) == 16 && tiles_permitted();
}

static cpu_level find_level(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return CPU_SCALAR;
    const unsigned needed = bit_OSXSAVE | bit_AVX | bit_FMA | bit_F16C;
    if ((c & needed) != needed) return CPU_SCALAR;
    uint64_t saved = saved_registers();
    if ((saved & 0x6) != 0x6) return CPU_SCALAR; /* XMM and YMM */
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return CPU_SCALAR;
    if (!(b & bit_AVX2)) return CPU_SCALAR;
    const unsigned wide = bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
    if ((b & wide) != wide) return CPU_AVX2;
    if ((saved & 0xe6) != 0xe6) return CPU_AVX2;  /* and opmask, upper ZMM, ZMM16-31 */
    if (!(c & bit_AVX512VNNI)) return CPU_AVX512; /* which all have that multiply bf16 */
    if (!__get_cpuid_count(7, 1, &a, &b, &c, &d) || !(a & bit_AVX512BF16)) return CPU_AVX512;
    return has_tiles(saved) ? CPU_AMX : CPU_AVX512BF16;
}

/* The brand, then family and model: under a hypervisor the brand often tells no more than the maker. */
static void find_name(char name[CPU_NAME])
{
    unsigned words[12], a, b, c, d;
    char brand[sizeof words + 1];
    if ((unsigned)__get_cpuid_max(0x80000000u, NULL) < 0x80000004u) return; /* an int in clang's header */
    for (unsigned i = 0; i < 3; i++)
        __get_cpuid(0x80000002u + i, &words[4 * i], &words[4 * i + 1], &words[4 * i + 2], &words[4 * i + 3]);
    memcpy(brand, words, sizeof words);
    brand[sizeof words] = 0;
    for (size_t length = strlen(brand); length && brand[length - 1] == ' ';) brand[--length] = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return;
    const unsigned base = a >> 8 & 15, family = base == 15 ? base + (a >> 20 & 255) : base;
    const unsigned model = (a >> 4 & 15) | (base == 6 || base == 15 ? a >> 12 & 0xf0 : 0);
    snprintf(name, CPU_NAME, "%s (family %u, model %u)", brand, family, model);
}
#else
static cpu_level find_level(void)
{
#if defined(__aarch64__)
    return CPU_NEON; /* the architecture's own: calls pass floats in its registers */
#else
    return CPU_SCALAR;
#endif
}

static void find_name(char name[CPU_NAME])
{
    (void)name;
}
#endif

#if defined(__x86_64__)
static const char *const level_names[CPU_LEVELS] = {"scalar", "avx2", "avx512", "avx512bf16", "amx"};
static const char all_names[] = "scalar, avx2, avx512, avx512bf16 or amx";
#elif defined(__aarch64__)
static const char *const level_names[CPU_LEVELS] = {"scalar", "neon"};
static const char all_names[] = "scalar or neon";
#else
static const char *const level_names[CPU_LEVELS] = {"scalar"};
static const char all_names[] = "scalar";
#endif

const char *cpu_level_name(cpu_level level)
{
    return level_names[level];
}

const char *cpu_level_names(void)
{
    return all_names;
}

int cpu_level_parse(const char *name, cpu_level *level)
{
    for (int i = 0; i < CPU_LEVELS; i++) {
        if (strcmp(name, level_names[i]) != 0) continue;
        *level = (cpu_level)i;
        return 1;
    }
    return 0;
}

static cpu_report report;

static void detect(void)
{
    report.found = report.used = find_level();
    report.requested_is_known = 1;
    find_name(report.name);
    const char *cap = getenv("ATTN_CPU");
    if (!cap || !*cap) return;
    snprintf(report.requested, sizeof report.requested, "%s", cap);
    cpu_level level;
    report.requested_is_known = cpu_level_parse(cap, &level);
    if (report.requested_is_known && level < report.found) report.used = level;
}

const cpu_report *cpu_detect(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, detect);
    return &report;
}
