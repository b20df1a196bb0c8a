#include "tensor/dense.h"

#include "base/status.h"
#include "tensor/dense_seam.h"
#include "tensor/factors.h"
#include "tensor/used_instructions.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

/* ---- one product, compiled for its shape ------------------------------------------------------------------------ */

/* How the second factor comes: in rows, packed by the caller, or in rows of fp32 to be packed at each run. */
typedef enum factor_form { IN_ROWS, PACKED, TO_BE_PACKED } factor_form;

typedef struct product_key {
    int64_t M, N, K;
    int32_t threads;
    uint8_t type, transpose_a, transpose_b, b_form, bias, accumulate;
} product_key;

enum { OPERAND_A, OPERAND_B, OPERAND_BIAS, OPERAND_C, OPERAND_SCRATCH, OPERANDS };

typedef struct product {
    product_key key;
    dnnl_primitive_t primitive;
    layout layouts[OPERANDS];
    size_t scratch_bytes;
    dnnl_primitive_t packing; /* of a b that is to be packed; NULL where the product likes it as it comes */
    layout unpacked;
    size_t packed_bytes;
    int64_t users; /* calls that run it now, and the cache while it is in there */
    uint64_t last_use;
} product;

/* Sets of WAYS products; a new one takes the place of its set's least recently used. */
#define SETS 256
#define WAYS 8

static struct {
    pthread_mutex_t lock;
    dnnl_engine_t engine;
    product *products[SETS][WAYS];
    uint64_t clock;
} cache = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void product_destroy(product *p)
{
    if (!p) return;
    if (p->primitive) dnnl_primitive_destroy(p->primitive);
    if (p->packing) dnnl_primitive_destroy(p->packing);
    layout_destroy(&p->unpacked);
    for (int i = 0; i < OPERANDS; i++) layout_destroy(&p->layouts[i]);
    free(p);
}

static void product_release(product *p)
{
    pthread_mutex_lock(&cache.lock);
    bool last = --p->users == 0;
    pthread_mutex_unlock(&cache.lock);
    if (last) product_destroy(p);
}

/* A rows x columns operand, row-major, or stored transposed. */
static dnnl_status_t describe_operand(layout *l, dnnl_data_type_t type, int64_t rows, int64_t columns, bool transposed)
{
    const dnnl_dims_t dims = {rows, columns};
    const dnnl_dims_t strides = {transposed ? 1 : columns, transposed ? rows : 1};
    return layout_create(l, type, dims, strides);
}

static dnnl_status_t create_attributes(dnnl_primitive_attr_t *out, bool accumulate)
{
    dnnl_status_t s = dnnl_primitive_attr_create(out);
    /* The library's own scratchpad belongs to the thread that made the primitive; ours to the thread that runs it. */
    if (s == dnnl_success) s = dnnl_primitive_attr_set_scratchpad_mode(*out, dnnl_scratchpad_mode_user);
    if (s != dnnl_success || !accumulate) return s;
    dnnl_post_ops_t operations;
    s = dnnl_post_ops_create(&operations);
    if (s != dnnl_success) return s;
    s = append_sum(operations);
    if (s == dnnl_success) s = dnnl_primitive_attr_set_post_ops(*out, operations);
    dnnl_post_ops_destroy(operations);
    return s;
}

/* What oneDNN makes of a product: its layouts are those of p, b's possibly any. */
static dnnl_status_t describe_product(dnnl_primitive_desc_t *out, const product *p)
{
    const layout *l = p->layouts;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_status_t s = create_attributes(&attributes, p->key.accumulate);
    if (s == dnnl_success)
        s = describe_matmul(out, cache.engine, view(&l[OPERAND_A]), view(&l[OPERAND_B]),
                            p->key.bias ? view(&l[OPERAND_BIAS]) : NULL, view(&l[OPERAND_C]), attributes);
    if (attributes) dnnl_primitive_attr_destroy(attributes);
    return s;
}

static dnnl_data_type_t onednn_type(dense_type type)
{
    return type == DENSE_BF16 ? dnnl_bf16 : dnnl_f32;
}

static dnnl_status_t reorder_create(dnnl_primitive_t *out, const layout *from, const layout *to)
{
    dnnl_primitive_desc_t description = NULL;
    dnnl_status_t s =
        dnnl_reorder_primitive_desc_create(&description, view(from), cache.engine, view(to), cache.engine, NULL);
    if (s == dnnl_success) s = dnnl_primitive_create(out, description);
    if (description) dnnl_primitive_desc_destroy(description);
    return s;
}

/* packed: b's layout where it comes packed, else NULL. */
static dnnl_status_t describe_second(layout *l, const product_key *k, const layout *packed)
{
    const dnnl_dims_t dims = {k->K, k->N};
    if (k->b_form == PACKED) return layout_copy(l, view(packed));
    if (k->b_form == TO_BE_PACKED) return layout_any(l, onednn_type(k->type), dims);
    return describe_operand(l, onednn_type(k->type), k->K, k->N, k->transpose_b);
}

/* The layout that the product chose for b, and the way there. */
static dnnl_status_t packing_compile(product *p, const_dnnl_primitive_desc_t description)
{
    layout *b = &p->layouts[OPERAND_B];
    layout_destroy(b);
    memset(b, 0, sizeof *b);
    dnnl_status_t s = layout_copy(b, dnnl_primitive_desc_query_md(description, dnnl_query_weights_md, 0));
    if (s == dnnl_success) s = describe_operand(&p->unpacked, dnnl_f32, p->key.K, p->key.N, p->key.transpose_b);
    if (s != dnnl_success || dnnl_memory_desc_equal(view(b), view(&p->unpacked))) return s;
    p->packed_bytes = dnnl_memory_desc_get_size(view(b));
    return reorder_create(&p->packing, &p->unpacked, b);
}

static dnnl_status_t product_compile(product *p, const layout *packed)
{
    const product_key *k = &p->key;
    dnnl_status_t s = describe_operand(&p->layouts[OPERAND_A], onednn_type(k->type), k->M, k->K, k->transpose_a);
    if (s == dnnl_success) s = describe_second(&p->layouts[OPERAND_B], k, packed);
    if (s == dnnl_success) s = describe_operand(&p->layouts[OPERAND_BIAS], dnnl_f32, 1, k->N, false);
    if (s == dnnl_success) s = describe_operand(&p->layouts[OPERAND_C], dnnl_f32, k->M, k->N, false);
    dnnl_primitive_desc_t description = NULL;
    if (s == dnnl_success) s = describe_product(&description, p);
    if (s != dnnl_success) return s;
    if (k->b_form == TO_BE_PACKED) s = packing_compile(p, description);
    layout_view scratch = dnnl_primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0);
    p->scratch_bytes = dnnl_memory_desc_get_size(scratch);
    if (s == dnnl_success) s = layout_copy(&p->layouts[OPERAND_SCRATCH], scratch);
    if (s == dnnl_success) s = dnnl_primitive_create(&p->primitive, description);
    dnnl_primitive_desc_destroy(description);
    return s;
}

static uint64_t key_hash(const product_key *k)
{
    const uint64_t flags = (uint64_t)k->type << 6 | (uint64_t)k->transpose_a << 5 | (uint64_t)k->transpose_b << 4 |
                           (uint64_t)k->b_form << 2 | (uint64_t)k->bias << 1 | k->accumulate;
    const uint64_t words[4] = {(uint64_t)k->M, (uint64_t)k->N, (uint64_t)k->K, (uint64_t)k->threads << 8 | flags};
    uint64_t h = 0xCBF29CE484222325u; /* FNV-1a's offset and prime, over words */
    for (int i = 0; i < 4; i++) h = (h ^ words[i]) * 0x100000001B3u;
    return h ^ h >> 32;
}

/* The slot of `key` in its set, or the one to put it in. Under the lock. */
static product **find_slot(const product_key *key)
{
    product **set = cache.products[key_hash(key) % SETS], **oldest = &set[0];
    for (int way = 0; way < WAYS; way++) {
        if (!set[way]) return &set[way];
        if (memcmp(&set[way]->key, key, sizeof *key) == 0) return &set[way];
        if (set[way]->last_use < (*oldest)->last_use) oldest = &set[way];
    }
    return oldest;
}

/* Under the lock. */
static dnnl_status_t engine_create(void)
{
    return cache.engine ? dnnl_success : dnnl_engine_create(&cache.engine, dnnl_cpu, 0);
}

/* The product of this key, compiled if it is new; the caller releases it. Under the lock. */
static dnnl_status_t product_acquire(product **out, const product_key *key, const layout *packed)
{
    dnnl_status_t engine = engine_create();
    if (engine != dnnl_success) return engine;
    product **slot = find_slot(key);
    if (!*slot || memcmp(&(*slot)->key, key, sizeof *key) != 0) {
        product *p = calloc(1, sizeof *p);
        if (!p) return dnnl_out_of_memory;
        p->key = *key;
        dnnl_status_t s = product_compile(p, packed);
        if (s != dnnl_success) {
            product_destroy(p);
            return s;
        }
        if (*slot && --(*slot)->users == 0) product_destroy(*slot);
        p->users = 1;
        *slot = p;
    }
    (*slot)->users++;
    (*slot)->last_use = ++cache.clock;
    *out = *slot;
    return dnnl_success;
}

/* ---- running it ------------------------------------------------------------------------------------------------- */

static dnnl_status_t reorder_run(dnnl_primitive_t reorder, const layout *from, const float *values, const layout *to,
                                 void *result)
{
    dnnl_stream_t stream = NULL;
    dnnl_exec_arg_t arguments[2] = {{DNNL_ARG_FROM, NULL}, {DNNL_ARG_TO, NULL}};
    void *source = (void *)(uintptr_t)values; /* read only, see product_run */
    dnnl_status_t s = dnnl_memory_create(&arguments[0].memory, view(from), cache.engine, source);
    if (s == dnnl_success) s = dnnl_memory_create(&arguments[1].memory, view(to), cache.engine, result);
    if (s == dnnl_success) s = dnnl_stream_create(&stream, cache.engine, dnnl_stream_default_flags);
    if (s == dnnl_success) s = dnnl_primitive_execute(reorder, stream, 2, arguments);
    if (s == dnnl_success) s = dnnl_stream_wait(stream);
    if (stream) dnnl_stream_destroy(stream);
    for (int i = 0; i < 2; i++)
        if (arguments[i].memory) dnnl_memory_destroy(arguments[i].memory);
    return s;
}

/* Puts the factor, packed, in its place. */
static dnnl_status_t pack_for_run(const product *p, const void **b)
{
    void *packed = thread_scratch(SCRATCH_B, p->packed_bytes);
    if (!packed) return dnnl_out_of_memory;
    dnnl_status_t s = reorder_run(p->packing, &p->unpacked, *b, &p->layouts[OPERAND_B], packed);
    *b = packed;
    return s;
}

static dnnl_status_t product_run(const product *p, const void *a, const void *b, const float *bias, float *c)
{
    static const int names[OPERANDS] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_BIAS, DNNL_ARG_DST,
                                        DNNL_ARG_SCRATCHPAD};
    /* oneDNN reads its inputs through the same untyped handle that it writes its outputs through. */
    void *handles[OPERANDS] = {(void *)(uintptr_t)a, (void *)(uintptr_t)b, (void *)(uintptr_t)bias, c, NULL};
    if (p->scratch_bytes && !(handles[OPERAND_SCRATCH] = thread_scratch(SCRATCH_PRODUCT, p->scratch_bytes)))
        return dnnl_out_of_memory;
    dnnl_exec_arg_t arguments[OPERANDS];
    int count = 0;
    dnnl_stream_t stream = NULL;
    dnnl_status_t s = dnnl_stream_create(&stream, cache.engine, dnnl_stream_default_flags);
    for (int i = 0; i < OPERANDS && s == dnnl_success; i++) {
        if (!handles[i]) continue;
        arguments[count].arg = names[i];
        s = dnnl_memory_create(&arguments[count].memory, view(&p->layouts[i]), cache.engine, handles[i]);
        if (s == dnnl_success) count++;
    }
    if (s == dnnl_success) s = dnnl_primitive_execute(p->primitive, stream, count, arguments);
    if (s == dnnl_success) s = dnnl_stream_wait(stream);
    while (count > 0) dnnl_memory_destroy(arguments[--count].memory);
    if (stream) dnnl_stream_destroy(stream);
    return s;
}

static dnnl_status_t acquire_and_run(const product_key *key, const layout *packed, const void *a, const void *b,
                                     const float *bias, float *c)
{
    product *p = NULL;
    pthread_mutex_lock(&cache.lock);
    dnnl_status_t s = product_acquire(&p, key, packed);
    pthread_mutex_unlock(&cache.lock);
    if (s != dnnl_success) return s;
    if (p->packing) s = pack_for_run(p, &b);
    if (s == dnnl_success) s = product_run(p, a, b, bias, c);
    product_release(p);
    return s;
}

/* oneDNN takes its thread count from the calling thread's setting, at compilation and at each run. Returns what it was.
 */
static int set_threads(int threads)
{
#ifdef _OPENMP
    const int before = omp_get_max_threads();
    if (before != threads) omp_set_num_threads(threads);
    return before;
#else
    return threads;
#endif
}

static attn_status multiply(const product_key *key, const layout *packed, const void *a, const void *b,
                            const float *bias, float *c)
{
    const int before = set_threads(key->threads);
    dnnl_status_t s = acquire_and_run(key, packed, a, b, bias, c);
    set_threads(before);
    if (s == dnnl_success) return ATTN_OK;
    return status_fail(s == dnnl_out_of_memory ? ATTN_ERROR_MEMORY : ATTN_ERROR_UNSUPPORTED,
                       "oneDNN's product of (%lld, %lld) and (%lld, %lld) failed with status %d", (long long)key->M,
                       (long long)key->K, (long long)key->K, (long long)key->N, (int)s);
}

/* A product over no terms: c is the bias, or zero, or unchanged. */
static void empty_product(int64_t M, int64_t N, const float *bias, bool accumulate, float *c)
{
    for (int64_t i = 0; i < M; i++)
        for (int64_t j = 0; j < N; j++) c[i * N + j] = (accumulate ? c[i * N + j] : 0) + (bias ? bias[j] : 0);
}

attn_status dense_supports(dense_type type)
{
    if (type == DENSE_FP32) return ATTN_OK;
    const unsigned needed = dnnl_cpu_isa_avx512_core_bf16; /* a set of bits, which those above it have too */
    if (((unsigned)dnnl_get_effective_cpu_isa() & needed) == needed && uses_bf16_products()) return ATTN_OK;
    return status_fail(ATTN_ERROR_UNSUPPORTED, "no bf16 products on this CPU, expected AVX512_BF16 or AMX");
}

/* From this many rows on, a product on a copy of its second factor as it likes it best takes less time, the copying
 * included. */
#define ROWS_WORTH_PACKING 1024

attn_status dense_multiply(dense_type type, int threads, int64_t M, int64_t N, int64_t K, const float *a,
                           bool transpose_a, const float *b, bool transpose_b, const float *bias, bool accumulate,
                           float *c)
{
    if (M == 0 || N == 0) return ATTN_OK;
    if (K == 0) {
        empty_product(M, N, bias, accumulate, c);
        return ATTN_OK;
    }
    product_key key;
    memset(&key, 0, sizeof key); /* keys are compared by their bytes */
    key.M = M;
    key.N = N;
    key.K = K;
    key.threads = threads;
    key.type = (uint8_t)type;
    key.transpose_a = transpose_a;
    key.transpose_b = transpose_b;
    key.bias = bias != NULL;
    key.accumulate = accumulate;
    key.b_form = M < ROWS_WORTH_PACKING ? IN_ROWS : TO_BE_PACKED;
    if (type == DENSE_FP32) return multiply(&key, NULL, a, b, bias, c);
    /* In bf16 oneDNN is two to four times slower on a transposed first factor than on a copy of it in rows. */
    key.transpose_a = 0;
    const factor_copy copy_a = {transpose_a, transpose_a ? K : M, transpose_a ? M : K, a, NULL};
    const factor_copy copy_b = {false, transpose_b ? N : K, transpose_b ? K : N, b, NULL};
    const void *rows_a = factor_narrow(SCRATCH_A, threads, copy_a);
    const void *rows_b = key.b_form == TO_BE_PACKED ? b : factor_narrow(SCRATCH_B, threads, copy_b);
    if (!rows_a || !rows_b) return status_fail(ATTN_ERROR_MEMORY, "no memory for the factors of a product");
    return multiply(&key, NULL, rows_a, rows_b, bias, c);
}

/* ---- packed operands -------------------------------------------------------------------------------------------- */

struct dense_packed {
    int64_t N, K;
    dense_type type;
    layout layout;
    void *values;
};

/* The rows of a product whose favourite layout is taken for every other number of rows too. */
#define PACKED_FOR_ROWS 64

static dnnl_status_t choose_layout(dense_packed *b)
{
    product p = {.key = {.M = PACKED_FOR_ROWS, .N = b->N, .K = b->K}};
    const dnnl_data_type_t type = onednn_type(b->type);
    const dnnl_dims_t dims = {b->K, b->N};
    dnnl_primitive_desc_t description = NULL;
    dnnl_status_t s = describe_operand(&p.layouts[OPERAND_A], type, PACKED_FOR_ROWS, b->K, false);
    if (s == dnnl_success) s = describe_operand(&p.layouts[OPERAND_C], dnnl_f32, PACKED_FOR_ROWS, b->N, false);
    if (s == dnnl_success) s = layout_any(&p.layouts[OPERAND_B], type, dims);
    if (s == dnnl_success) s = describe_product(&description, &p);
    if (s == dnnl_success)
        s = layout_copy(&b->layout, dnnl_primitive_desc_query_md(description, dnnl_query_weights_md, 0));
    if (description) dnnl_primitive_desc_destroy(description);
    for (int i = 0; i < OPERANDS; i++) layout_destroy(&p.layouts[i]);
    return s;
}

static dnnl_status_t pack(dense_packed *b, const float *values, bool transposed)
{
    pthread_mutex_lock(&cache.lock);
    dnnl_status_t s = engine_create();
    pthread_mutex_unlock(&cache.lock);
    if (s == dnnl_success) s = choose_layout(b);
    if (s != dnnl_success) return s;
    const size_t bytes = dnnl_memory_desc_get_size(view(&b->layout));
    b->values = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!b->values) return dnnl_out_of_memory;
    layout plain;
    memset(&plain, 0, sizeof plain);
    s = describe_operand(&plain, dnnl_f32, b->K, b->N, transposed);
    dnnl_primitive_t packing = NULL;
    if (s == dnnl_success) s = reorder_create(&packing, &plain, &b->layout);
    if (s == dnnl_success) s = reorder_run(packing, &plain, values, &b->layout, b->values);
    if (packing) dnnl_primitive_destroy(packing);
    layout_destroy(&plain);
    return s;
}

attn_status dense_pack(dense_packed **out, dense_type type, int threads, int64_t N, int64_t K, const float *values,
                       bool transposed)
{
    if (N < 1 || K < 1)
        return status_fail(ATTN_ERROR_ARGUMENT, "weights (%lld, %lld) to pack", (long long)N, (long long)K);
    dense_packed *b = calloc(1, sizeof *b);
    if (!b) return status_fail(ATTN_ERROR_MEMORY, "no memory to pack weights");
    b->N = N;
    b->K = K;
    b->type = type;
    const int before = set_threads(threads);
    dnnl_status_t s = pack(b, values, transposed);
    set_threads(before);
    if (s == dnnl_success) {
        *out = b;
        return ATTN_OK;
    }
    dense_packed_destroy(b);
    return status_fail(s == dnnl_out_of_memory ? ATTN_ERROR_MEMORY : ATTN_ERROR_UNSUPPORTED,
                       "oneDNN's packing of weights (%lld, %lld) failed with status %d", (long long)N, (long long)K,
                       (int)s);
}

void dense_packed_destroy(dense_packed *b)
{
    if (!b) return;
    layout_destroy(&b->layout);
    free(b->values);
    free(b);
}

attn_status dense_multiply_packed(int threads, int64_t M, const float *a, const dense_packed *b, const float *bias,
                                  bool accumulate, float *c)
{
    if (M == 0) return ATTN_OK;
    product_key key;
    memset(&key, 0, sizeof key);
    key.M = M;
    key.N = b->N;
    key.K = b->K;
    key.threads = threads;
    key.type = (uint8_t)b->type;
    key.b_form = PACKED;
    key.bias = bias != NULL;
    key.accumulate = accumulate;
    if (b->type == DENSE_FP32) return multiply(&key, &b->layout, a, b->values, bias, c);
    const void *rows = factor_narrow(SCRATCH_A, threads, (factor_copy){false, M, b->K, a, NULL});
    if (!rows) return status_fail(ATTN_ERROR_MEMORY, "no memory for the factors of a product");
    return multiply(&key, &b->layout, rows, b->values, bias, c);
}

void dense_library(char *text, size_t size)
{
    const dnnl_version_t *v = dnnl_version();
    snprintf(text, size, "oneDNN %d.%d.%d", v->major, v->minor, v->patch);
}
