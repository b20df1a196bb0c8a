#include "drawn_arrays.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE ((size_t)1 << 16)                       /* whole pages, on any system */
#define SLOT (MOST_ELEMENTS * sizeof(double) + PAGE) /* an array, and room for its alignment */

/* Memory for the arrays, one slot each with a page before and behind it that nobody may touch, and for the workspace
 * likewise: mapped once, since mapping costs more than most calls. */
static unsigned char *slot_at(int n)
{
    static unsigned char *memory;
    const size_t whole = (SLOT + PAGE) * MOST_ARRAYS + MOST_WORKSPACE + 2 * PAGE;
    if (!memory) {
        memory = mmap(NULL, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) abort();
        for (int slot = 0; slot <= MOST_ARRAYS; slot++)
            if (mprotect(slot_at(slot), slot < MOST_ARRAYS ? SLOT : MOST_WORKSPACE, PROT_READ | PROT_WRITE)) abort();
    }
    return memory + PAGE + (size_t)n * (SLOT + PAGE);
}

/* Numbers to fill arrays with. */
typedef struct numbers {
    double f64[MOST_ELEMENTS + 256];
    float f32[MOST_ELEMENTS + 256];
    uint16_t bf16[MOST_ELEMENTS + 256], fp16[MOST_ELEMENTS + 256];
    uint8_t bytes[MOST_ELEMENTS + 256];
} numbers;

static const numbers *numbers_made(void)
{
    static numbers made;
    static bool done;
    uint32_t seed = 1;
    for (size_t n = 0; !done && n < MOST_ELEMENTS + 256; n++) {
        seed = seed * 1664525u + 1013904223u;
        const float x = (float)(int)(seed >> 16 & 0xff) / 64 - 2; /* a multiple of 1 / 64: three digits of any type */
        uint32_t bits;
        memcpy(&bits, &x, sizeof bits);
        made.f64[n] = x, made.f32[n] = x, made.bf16[n] = (uint16_t)(bits >> 16);
        made.fp16[n] = (uint16_t)((seed >> 16 & 0x8fff) | 0x3000); /* within 0.125 .. 0.25 */
        made.bytes[n] = seed >> 30 ? (uint8_t)(seed >> 16) : 0;
    }
    done = true;
    return &made;
}

static size_t size_of(attn_dtype type)
{
    if (type == ATTN_DTYPE_F64) return sizeof(double);
    if (type == ATTN_DTYPE_BF16 || type == ATTN_DTYPE_FP16) return sizeof(uint16_t);
    return type == ATTN_DTYPE_INT8 ? 1 : sizeof(float);
}

drawing drawing_of(const uint8_t *data, size_t size)
{
    drawing x = {.data = data, .left = size, .reachable = true};
    x.wild = draw_flag(&x);
    return x;
}

unsigned draw_byte(drawing *x)
{
    if (!x->left) return 0;
    x->left--;
    return *x->data++;
}

bool draw_flag(drawing *x)
{
    return draw_byte(x) % 2;
}

bool draw_whim(drawing *x, unsigned in)
{
    return x->wild && draw_byte(x) >= 256 - 256 / in;
}

static int64_t draw_hostile(drawing *x)
{
    static const int64_t hostile[] = {-1,
                                      -2,
                                      INT64_MIN,
                                      INT64_MIN + 1,
                                      INT64_MAX,
                                      INT64_MAX - 1,
                                      INT64_MAX / 2,
                                      INT64_MAX / 16,
                                      1LL << 31,
                                      1LL << 32,
                                      (1LL << 32) + 1,
                                      1LL << 40,
                                      -(1LL << 40),
                                      1LL << 59,
                                      1LL << 61,
                                      1LL << 62};
    return hostile[draw_byte(x) % 16];
}

int64_t draw_number(drawing *x, int64_t least, int64_t most)
{
    if (draw_whim(x, 32)) return draw_hostile(x);
    return least + (int64_t)draw_byte(x) % (most - least + 1);
}

int64_t draw_stride(drawing *x, int64_t expected)
{
    if (draw_whim(x, 32)) return draw_hostile(x);
    const unsigned byte = draw_byte(x);
    if (byte < 192 || expected > MOST_ELEMENTS || expected < -MOST_ELEMENTS) return expected;
    if (byte < 224) return -expected;
    return byte < 248 || !x->wild ? expected + byte % 5 : (int64_t)byte % 9 - 4;
}

void *draw_bytes(drawing *x, size_t size, size_t alignment, bool written)
{
    if (x->count == MOST_ARRAYS || size + alignment > SLOT) abort();
    unsigned char *bytes = slot_at(x->count);
    if (x->count % 4 != 3) bytes += (SLOT - size) / alignment * alignment;
    if (written) memset(bytes, UNTOUCHED, size);
    x->arrays[x->count++] = (drawn_array){bytes, size, written};
    return bytes;
}

void *draw_workspace_bytes(size_t size)
{
    if (size > MOST_WORKSPACE) abort();
    unsigned char *bytes = slot_at(MOST_ARRAYS) + (MOST_WORKSPACE - size) / ATTN_ALIGNMENT * ATTN_ALIGNMENT;
    memset(bytes, UNTOUCHED, size);
    return bytes;
}

/* Element n of a type: not a number, infinite, the largest, the smallest, or minus 0. */
static void put_odd(void *out, size_t n, attn_dtype type, unsigned which)
{
    static const double wide[] = {NAN, INFINITY, -INFINITY, 1.7e308, 5e-324, -0.0};
    static const uint32_t odd[] = {0x7fc00000, 0x7f800000, 0xff800000, 0x7f7fffff, 0x00000001, 0x80000000};
    static const uint16_t narrow[] = {0x7e00, 0x7c00, 0xfc00, 0x7bff, 0x0001, 0x8000};
    const uint16_t upper = (uint16_t)(odd[which] >> 16);
    if (type == ATTN_DTYPE_F64) memcpy((double *)out + n, &wide[which], sizeof wide[which]);
    if (type == ATTN_DTYPE_F32) memcpy((float *)out + n, &odd[which], sizeof odd[which]);
    if (type == ATTN_DTYPE_BF16) memcpy((uint16_t *)out + n, &upper, sizeof upper);
    if (type == ATTN_DTYPE_FP16) memcpy((uint16_t *)out + n, &narrow[which], sizeof narrow[which]);
}

static void fill(drawing *x, void *out, size_t count, attn_dtype type)
{
    const numbers *made = numbers_made();
    const size_t first = draw_byte(x);
    const void *from = made->f32 + first;
    if (type == ATTN_DTYPE_F64) from = made->f64 + first;
    if (type == ATTN_DTYPE_BF16) from = made->bf16 + first;
    if (type == ATTN_DTYPE_FP16) from = made->fp16 + first;
    if (type == ATTN_DTYPE_INT8) from = made->bytes + first;
    memcpy(out, from, count * size_of(type));
    const unsigned oddity = draw_byte(x);
    for (size_t n = oddity % 37; oddity >= 192 && n < count; n += 37) put_odd(out, n, type, oddity % 6);
}

void *draw_array(drawing *x, const int64_t *counts, const int64_t *strides, int dimensions, attn_dtype type,
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
    const bool askew = draw_whim(x, 64);
    if (askew && draw_flag(x)) return NULL;
    if (empty) return draw_flag(x) ? NOWHERE : NULL;
    if (!x->reachable || most - least >= MOST_ELEMENTS) {
        x->reachable = false;
        return NOWHERE;
    }
    const size_t elements = (size_t)(most - least + 1), size = size_of(type);
    unsigned char *bytes = draw_bytes(x, (elements + askew) * size, size, written);
    if (!written) fill(x, bytes, elements, type);
    return bytes + askew + (ptrdiff_t)(-least) * (ptrdiff_t)size;
}

int64_t *draw_numbers(drawing *x, int64_t count, int64_t least, int64_t most)
{
    const bool askew = draw_whim(x, 64);
    if (askew && draw_flag(x)) return NULL;
    if (count < 0 || count > 64 || most < least) {
        x->reachable = false;
        return NOWHERE;
    }
    int64_t *drawn = draw_bytes(x, ((size_t)count + askew) * sizeof *drawn, sizeof *drawn, false);
    for (int64_t n = 0; n < count; n++) drawn[n] = draw_number(x, least, most);
    return (int64_t *)(void *)((char *)drawn + askew);
}

bool outputs_are_untouched(const drawing *x)
{
    for (int a = 0; a < x->count; a++) {
        const drawn_array *out = &x->arrays[a];
        if (!out->written || !out->size) continue;
        if (out->bytes[0] != UNTOUCHED || memcmp(out->bytes, out->bytes + 1, out->size - 1) != 0) return false;
    }
    return true;
}
