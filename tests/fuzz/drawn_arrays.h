/* What a fuzz target of the operator draws from its input: numbers, mostly sane and now and then hostile, and arrays
 * that are exactly as large as sizes and strides say and end where memory ends, so that a step behind them is caught in
 * the act, also by kernels that no sanitizer was built into. Of sizes and strides that would need too much there is no
 * array: `reachable` becomes false, and whoever reads data then reads an address that is none. */
#ifndef FUZZ_DRAWN_ARRAYS_H
#define FUZZ_DRAWN_ARRAYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define MOST_ARRAYS 64
#define PAGE ((size_t)4096)
#define MOST_ELEMENTS (1 << 16)
#define UNTOUCHED 0xa5 /* every byte of an output before the call */
#define NOWHERE ((void *)(1L << 46))

typedef struct drawn_array {
    unsigned char *bytes;
    size_t size;
    void *pages; /* that hold it, and one behind it that nobody may touch */
    size_t pages_size;
    bool written; /* an output, which a refusal must leave as it was */
} drawn_array;

typedef struct drawing {
    const uint8_t *data;
    size_t left;
    bool reachable;
    drawn_array arrays[MOST_ARRAYS];
    int count;
} drawing;

/* 0 once the input has ended. */
static inline unsigned draw_byte(drawing *x)
{
    if (!x->left) return 0;
    x->left--;
    return *x->data++;
}

static const int64_t hostile_numbers[] = {
    -1,        -2,        INT64_MIN,       INT64_MIN + 1, INT64_MAX,    INT64_MAX - 1, INT64_MAX / 2, INT64_MAX / 16,
    1LL << 31, 1LL << 32, (1LL << 32) + 1, 1LL << 40,     -(1LL << 40), 1LL << 59,     1LL << 61,     1LL << 62};

static inline int64_t draw_hostile(drawing *x)
{
    return hostile_numbers[draw_byte(x) % 16];
}

/* least .. most, or, one in sixteen, anything. */
static inline int64_t draw_number(drawing *x, int64_t least, int64_t most)
{
    unsigned byte = draw_byte(x);
    if (byte >= 240) return draw_hostile(x);
    return least + (int64_t)byte % (most - least + 1);
}

/* The one expected, or another. */
static inline int64_t draw_stride(drawing *x, int64_t expected)
{
    unsigned byte = draw_byte(x);
    if (byte < 200) return expected;
    return byte < 240 ? (int64_t)byte % 9 - 4 : draw_hostile(x);
}

static inline bool draw_flag(drawing *x)
{
    return draw_byte(x) % 2;
}

/* Memory that ends, but for its alignment, where the next page may not be touched. */
static inline void *draw_bytes(drawing *x, size_t size, size_t alignment, bool written)
{
    size_t whole = (size + alignment + PAGE - 1) / PAGE * PAGE + PAGE;
    if (x->count == MOST_ARRAYS) abort();
    unsigned char *pages = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED || mprotect(pages + whole - PAGE, PAGE, PROT_NONE)) abort();
    unsigned char *bytes = pages + (whole - PAGE - size) / alignment * alignment;
    memset(bytes, UNTOUCHED, size);
    x->arrays[x->count++] = (drawn_array){bytes, size, pages, whole, written};
    return bytes;
}

/* Small finite numbers, and now and then one that is none. */
static inline void fill_floats(drawing *x, float *out, size_t count)
{
    static const uint32_t odd[] = {0x7fc00000, 0x7f800000, 0xff800000, 0x7f7fffff, 0x00000001, 0x80000000};
    unsigned seed = draw_byte(x) + 1u, oddity = draw_byte(x);
    for (size_t n = 0; n < count; n++) {
        seed = seed * 1664525u + 1013904223u;
        out[n] = (float)(int)(seed >> 16 & 0xff) / 64 - 2;
        if (oddity >= 192 && (seed >> 24) % 37 == 0) memcpy(&out[n], &odd[oddity % 6], sizeof *out);
    }
}

/* Where element 0 stands in an array of these counts and strides, its elements of `size` bytes (4: floats; less: any
 * bytes). Read arrays are filled. NULL at the input's whim, and where there are no elements. */
static inline void *draw_array(drawing *x, const int64_t *counts, const int64_t *strides, int dimensions, size_t size,
                               bool written)
{
    __extension__ typedef __int128 wide;
    wide least = 0, most = 0;
    bool empty = false;
    for (int n = 0; n < dimensions; n++) {
        if (counts[n] < 0 || counts[n] > MOST_ELEMENTS) x->reachable = false;
        if (counts[n] <= 0) empty = true;
        wide reach = ((wide)counts[n] - 1) * strides[n];
        if (x->reachable && !empty) *(reach < 0 ? &least : &most) += reach; /* too many elements are none already */
    }
    if (draw_byte(x) >= 250 || empty) return NULL;
    if (!x->reachable || most - least >= MOST_ELEMENTS) {
        x->reachable = false;
        return NOWHERE;
    }
    size_t elements = (size_t)(most - least + 1);
    unsigned char *bytes = draw_bytes(x, elements * size, size, written);
    if (!written && size == sizeof(float)) fill_floats(x, (float *)(void *)bytes, elements);
    for (size_t n = 0; !written && size < sizeof(float) && n < elements * size; n++) bytes[n] = (uint8_t)draw_byte(x);
    return bytes + (ptrdiff_t)(-least) * (ptrdiff_t)size;
}

/* `count` whole numbers of least .. most, or anything; NULL at the input's whim. */
static inline int64_t *draw_numbers(drawing *x, int64_t count, int64_t least, int64_t most)
{
    if (draw_byte(x) >= 250) return NULL;
    if (count < 0 || count > 64 || most < least) {
        x->reachable = false;
        return NOWHERE;
    }
    int64_t *numbers = draw_bytes(x, (size_t)count * sizeof *numbers, sizeof *numbers, false);
    for (int64_t n = 0; n < count; n++) numbers[n] = draw_number(x, least, most);
    return numbers;
}

static inline bool outputs_are_untouched(const drawing *x)
{
    for (int a = 0; a < x->count; a++)
        for (size_t n = 0; x->arrays[a].written && n < x->arrays[a].size; n++)
            if (x->arrays[a].bytes[n] != UNTOUCHED) return false;
    return true;
}

static inline void drawing_free(drawing *x)
{
    for (int n = 0; n < x->count; n++) munmap(x->arrays[n].pages, x->arrays[n].pages_size);
}

#endif
