#include "tensor/dense.h"

#include "base/parallel.h"
#include "base/status.h"
#include "tensor/row_kernels.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dnnl.h>
#ifdef _OPENMP
#include <omp.h>
#endif

/* ---- the seam: all that differs between oneDNN 2.x and 3.x ------------------------------------------------------ */

#if DNNL_VERSION_MAJOR >= 3

typedef dnnl_memory_desc_t layout; /* an owned handle */
typedef const_dnnl_memory_desc_t layout_view;

static dnnl_status_t layout_create(layout *l, dnnl_data_type_t type, const dnnl_dims_t dims, const dnnl_dims_t strides)
{
    return dnnl_memory_desc_create_with_strides(l, 2, dims, type, strides);
}

static dnnl_status_t layout_copy(layout *l, layout_view from)
{
    return dnnl_memory_desc_clone(l, from);
}

static void layout_destroy(layout *l)
{
    if (*l) dnnl_memory_desc_destroy(*l);
}

static layout_view view(const layout *l)
{
    return *l;
}

static dnnl_status_t append_sum(dnnl_post_ops_t operations)
{
    return dnnl_post_ops_append_sum(operations, 1.0f, 0, dnnl_data_type_undef);
}

static dnnl_status_t describe_matmul(dnnl_primitive_desc_t *out, dnnl_engine_t engine, layout_view a, layout_view b,
                                     layout_view bias, layout_view c, const_dnnl_primitive_attr_t attributes)
{
    return dnnl_matmul_primitive_desc_create(out, engine, a, b, bias, c, attributes);
}

#else

typedef dnnl_memory_desc_t layout; /* a plain struct */
typedef const dnnl_memory_desc_t *layout_view;

static dnnl_status_t layout_create(layout *l, dnnl_data_type_t type, const dnnl_dims_t dims, const dnnl_dims_t strides)
{
    return dnnl_memory_desc_init_by_strides(l, 2, dims, type, strides);
}

static dnnl_status_t layout_copy(layout *l, layout_view from)
{
    *l = *from;
    return dnnl_success;
}

static void layout_destroy(layout *l)
{
    (void)l;
}

static layout_view view(const layout *l)
{
    return l;
}

static dnnl_status_t append_sum(dnnl_post_ops_t operations)
{
    return dnnl_post_ops_append_sum(operations, 1.0f);
}

static dnnl_status_t describe_matmul(dnnl_primitive_desc_t *out, dnnl_engine_t engine, layout_view a, layout_view b,
                                     layout_view bias, layout_view c, const_dnnl_primitive_attr_t attributes)
{
    dnnl_matmul_desc_t matmul;
    dnnl_status_t s = dnnl_matmul_desc_init(&matmul, a, b, bias, c);
    return s == dnnl_success ? dnnl_primitive_desc_create(out, &matmul, attributes, engine, NULL) : s;
}

#endif

/* ---- one product, compiled for its shape ------------------------------------------------------------------------ */

typedef struct product_key {
    int64_t M, N, K;
    int32_t threads;
    uint8_t type, transpose_b, bias, accumulate;
} product_key;

enum { OPERAND_A, OPERAND_B, OPERAND_BIAS, OPERAND_C, OPERAND_SCRATCH, OPERANDS };

typedef struct product {
    product_key key;
    dnnl_primitive_t primitive;
    layout layouts[OPERANDS];
    size_t scratch_bytes;
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

static dnnl_status_t product_compile(product *p)
{
    const product_key *k = &p->key;
    const dnnl_data_type_t type = k->type == DENSE_BF16 ? dnnl_bf16 : dnnl_f32;
    dnnl_status_t s = describe_operand(&p->layouts[OPERAND_A], type, k->M, k->K, false);
    if (s == dnnl_success) s = describe_operand(&p->layouts[OPERAND_B], type, k->K, k->N, k->transpose_b);
    if (s == dnnl_success) s = describe_operand(&p->layouts[OPERAND_BIAS], dnnl_f32, 1, k->N, false);
    if (s == dnnl_success) s = describe_operand(&p->layouts[OPERAND_C], dnnl_f32, k->M, k->N, false);
    if (s != dnnl_success) return s;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_primitive_desc_t description = NULL;
    s = create_attributes(&attributes, k->accumulate);
    if (s == dnnl_success)
        s = describe_matmul(&description, cache.engine, view(&p->layouts[OPERAND_A]), view(&p->layouts[OPERAND_B]),
                            k->bias ? view(&p->layouts[OPERAND_BIAS]) : NULL, view(&p->layouts[OPERAND_C]), attributes);
    if (attributes) dnnl_primitive_attr_destroy(attributes);
    if (s != dnnl_success) return s;
    layout_view scratch = dnnl_primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0);
    p->scratch_bytes = dnnl_memory_desc_get_size(scratch);
    s = layout_copy(&p->layouts[OPERAND_SCRATCH], scratch);
    if (s == dnnl_success) s = dnnl_primitive_create(&p->primitive, description);
    dnnl_primitive_desc_destroy(description);
    return s;
}

static uint64_t key_hash(const product_key *k)
{
    const uint64_t words[4] = {(uint64_t)k->M, (uint64_t)k->N, (uint64_t)k->K,
                               (uint64_t)k->threads << 4 | (uint64_t)k->type << 3 | (uint64_t)k->transpose_b << 2 |
                                   (uint64_t)k->bias << 1 | k->accumulate};
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

/* The product of this key, compiled if it is new; the caller releases it. Under the lock. */
static dnnl_status_t product_acquire(product **out, const product_key *key)
{
    if (!cache.engine) {
        dnnl_status_t s = dnnl_engine_create(&cache.engine, dnnl_cpu, 0);
        if (s != dnnl_success) return s;
    }
    product **slot = find_slot(key);
    if (!*slot || memcmp(&(*slot)->key, key, sizeof *key) != 0) {
        product *p = calloc(1, sizeof *p);
        if (!p) return dnnl_out_of_memory;
        p->key = *key;
        dnnl_status_t s = product_compile(p);
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

/* What a thread keeps between products: oneDNN's own scratchpad, and the factors as the product wants them. */
enum { SCRATCH_PRODUCT, SCRATCH_A, SCRATCH_B, SCRATCHES };

typedef struct scratch {
    size_t bytes[SCRATCHES];
    void *memory[SCRATCHES];
} scratch;

static pthread_key_t scratch_key;
static pthread_once_t scratch_once = PTHREAD_ONCE_INIT;

static void scratch_destroy(void *argument)
{
    scratch *s = argument;
    for (int i = 0; i < SCRATCHES; i++) free(s->memory[i]);
    free(s);
}

static void scratch_make_key(void)
{
    (void)pthread_key_create(&scratch_key, scratch_destroy);
}

/* One of this thread's scratches, at least `bytes`; NULL when the system gives none. */
static void *scratch_take(int which, size_t bytes)
{
    pthread_once(&scratch_once, scratch_make_key);
    scratch *s = pthread_getspecific(scratch_key);
    if (!s) {
        s = calloc(1, sizeof *s);
        if (!s || pthread_setspecific(scratch_key, s) != 0) {
            free(s);
            return NULL;
        }
    }
    if (s->bytes[which] >= bytes && s->memory[which]) return s->memory[which];
    free(s->memory[which]);
    s->bytes[which] = bytes ? (bytes + 4095) / 4096 * 4096 : 4096;
    s->memory[which] = aligned_alloc(4096, s->bytes[which]);
    if (!s->memory[which]) s->bytes[which] = 0;
    return s->memory[which];
}

/* ---- the factors --------------------------------------------------------------------------------------------------
 */

/* A copy of a factor, (rows, columns) as stored: narrowed, transposed, or both. */
typedef struct factor_copy {
    dense_type type;
    bool transpose;
    int64_t rows, columns;
    const float *from;
    void *to;
} factor_copy;

#define NARROW_RUN 16384

static void narrow_run(void *argument, int64_t task, int worker)
{
    (void)worker;
    const factor_copy *f = argument;
    const int64_t at = task * NARROW_RUN, left = f->rows * f->columns - at;
    row_kernels_get()->narrow(left < NARROW_RUN ? left : NARROW_RUN, f->from + at, (uint16_t *)f->to + at);
}

/* A band of TRANSPOSE_TILE columns becomes as many rows. */
static void transpose_band(void *argument, int64_t task, int worker)
{
    (void)worker;
    const factor_copy *f = argument;
    const int64_t c = task * TRANSPOSE_TILE, width = f->columns - c < TRANSPOSE_TILE ? f->columns - c : TRANSPOSE_TILE;
    for (int64_t r = 0; r < f->rows; r += TRANSPOSE_TILE) {
        const int64_t height = f->rows - r < TRANSPOSE_TILE ? f->rows - r : TRANSPOSE_TILE;
        const float *from = f->from + r * f->columns + c;
        const int64_t at = c * f->rows + r;
        if (f->type == DENSE_BF16)
            row_kernels_get()->narrow_transpose(height, width, from, f->columns, (uint16_t *)f->to + at, f->rows);
        else
            row_kernels_get()->transpose(height, width, from, f->columns, (float *)f->to + at, f->rows);
    }
}

/* The factor as the product wants it: itself, or a copy in scratch; NULL when the system gives no memory. */
static const void *factor_prepare(int which, int threads, factor_copy f)
{
    if (f.type == DENSE_FP32 && !f.transpose) return f.from;
    f.to =
        scratch_take(which, (size_t)(f.rows * f.columns) * (f.type == DENSE_BF16 ? sizeof(uint16_t) : sizeof(float)));
    if (!f.to) return NULL;
    if (f.transpose)
        parallel_for(threads, (f.columns + TRANSPOSE_TILE - 1) / TRANSPOSE_TILE, transpose_band, &f);
    else
        parallel_for(threads, (f.rows * f.columns + NARROW_RUN - 1) / NARROW_RUN, narrow_run, &f);
    return f.to;
}

static dnnl_status_t product_run(const product *p, const void *a, const void *b, const float *bias, float *c)
{
    static const int names[OPERANDS] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_BIAS, DNNL_ARG_DST,
                                        DNNL_ARG_SCRATCHPAD};
    /* oneDNN reads its inputs through the same untyped handle that it writes its outputs through. */
    void *handles[OPERANDS] = {(void *)(uintptr_t)a, (void *)(uintptr_t)b, (void *)(uintptr_t)bias, c, NULL};
    if (p->scratch_bytes && !(handles[OPERAND_SCRATCH] = scratch_take(SCRATCH_PRODUCT, p->scratch_bytes)))
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

static dnnl_status_t acquire_and_run(const product_key *key, const void *a, const void *b, const float *bias, float *c)
{
    product *p = NULL;
    pthread_mutex_lock(&cache.lock);
    dnnl_status_t s = product_acquire(&p, key);
    pthread_mutex_unlock(&cache.lock);
    if (s != dnnl_success) return s;
    s = product_run(p, a, b, bias, c);
    product_release(p);
    return s;
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
    const dnnl_cpu_isa_t isa = dnnl_get_effective_cpu_isa();
    const bool has = isa == dnnl_cpu_isa_avx512_core_bf16 || isa == dnnl_cpu_isa_avx512_core_amx;
    if (has && strcmp(attn_cpu_used(), "avx512") == 0) return ATTN_OK;
    return status_fail(ATTN_ERROR_UNSUPPORTED, "no bf16 products on this CPU, expected AVX512_BF16 or AMX");
}

attn_status dense_multiply(dense_type type, int threads, int64_t M, int64_t N, int64_t K, const float *a,
                           bool transpose_a, const float *b, bool transpose_b, const float *bias, bool accumulate,
                           float *c)
{
    if (M == 0 || N == 0) return ATTN_OK;
    if (K == 0) {
        empty_product(M, N, bias, accumulate, c);
        return ATTN_OK;
    }
    /* oneDNN is two to four times slower on a transposed first factor than on a copy of it in rows. */
    const factor_copy copy_a = {type, transpose_a, transpose_a ? K : M, transpose_a ? M : K, a, NULL};
    const factor_copy copy_b = {type, false, transpose_b ? N : K, transpose_b ? K : N, b, NULL};
    const void *rows_a = factor_prepare(SCRATCH_A, threads, copy_a);
    const void *rows_b = factor_prepare(SCRATCH_B, threads, copy_b);
    if (!rows_a || !rows_b) return status_fail(ATTN_ERROR_MEMORY, "no memory for the factors of a product");
    product_key key;
    memset(&key, 0, sizeof key); /* keys are compared by their bytes */
    key.M = M;
    key.N = N;
    key.K = K;
    key.threads = threads;
    key.type = (uint8_t)type;
    key.transpose_b = transpose_b;
    key.bias = bias != NULL;
    key.accumulate = accumulate;
#ifdef _OPENMP
    /* oneDNN takes its thread count from the calling thread's setting, at compilation and at each run. */
    int before = omp_get_max_threads();
    if (before != threads) omp_set_num_threads(threads);
#endif
    dnnl_status_t s = acquire_and_run(&key, rows_a, rows_b, bias, c);
#ifdef _OPENMP
    if (before != threads) omp_set_num_threads(before);
#endif
    if (s == dnnl_success) return ATTN_OK;
    return status_fail(s == dnnl_out_of_memory ? ATTN_ERROR_MEMORY : ATTN_ERROR_UNSUPPORTED,
                       "oneDNN's product of (%lld, %lld) and (%lld, %lld) failed with status %d", (long long)M,
                       (long long)K, (long long)K, (long long)N, (int)s);
}

void dense_library(char *text, size_t size)
{
    const dnnl_version_t *v = dnnl_version();
    snprintf(text, size, "oneDNN %d.%d.%d", v->major, v->minor, v->patch);
}
