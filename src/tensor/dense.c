#include "tensor/dense.h"

#include "base/status.h"

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

static dnnl_status_t layout_create(layout *l, const dnnl_dims_t dims, const dnnl_dims_t strides)
{
    return dnnl_memory_desc_create_with_strides(l, 2, dims, dnnl_f32, strides);
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

static dnnl_status_t layout_create(layout *l, const dnnl_dims_t dims, const dnnl_dims_t strides)
{
    return dnnl_memory_desc_init_by_strides(l, 2, dims, dnnl_f32, strides);
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
    uint8_t transpose_a, transpose_b, bias, accumulate;
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
static dnnl_status_t describe_operand(layout *l, int64_t rows, int64_t columns, bool transposed)
{
    const dnnl_dims_t dims = {rows, columns};
    const dnnl_dims_t strides = {transposed ? 1 : columns, transposed ? rows : 1};
    return layout_create(l, dims, strides);
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
    dnnl_status_t s = describe_operand(&p->layouts[OPERAND_A], k->M, k->K, k->transpose_a);
    if (s == dnnl_success) s = describe_operand(&p->layouts[OPERAND_B], k->K, k->N, k->transpose_b);
    if (s == dnnl_success) s = describe_operand(&p->layouts[OPERAND_BIAS], 1, k->N, false);
    if (s == dnnl_success) s = describe_operand(&p->layouts[OPERAND_C], k->M, k->N, false);
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
                               (uint64_t)k->threads << 4 | (uint64_t)k->transpose_a << 3 |
                                   (uint64_t)k->transpose_b << 2 | (uint64_t)k->bias << 1 | k->accumulate};
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

typedef struct scratch {
    size_t bytes;
    void *memory;
} scratch;

static pthread_key_t scratch_key;
static pthread_once_t scratch_once = PTHREAD_ONCE_INIT;

static void scratch_destroy(void *argument)
{
    scratch *s = argument;
    free(s->memory);
    free(s);
}

static void scratch_make_key(void)
{
    (void)pthread_key_create(&scratch_key, scratch_destroy);
}

/* This thread's scratch memory, at least `bytes`; NULL when the system gives none. */
static void *scratch_take(size_t bytes)
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
    if (s->bytes >= bytes && s->memory) return s->memory;
    free(s->memory);
    s->bytes = (bytes + 4095) / 4096 * 4096;
    s->memory = aligned_alloc(4096, s->bytes ? s->bytes : 4096);
    if (!s->memory) s->bytes = 0;
    return s->memory;
}

static dnnl_status_t product_run(const product *p, const float *a, const float *b, const float *bias, float *c)
{
    static const int names[OPERANDS] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_BIAS, DNNL_ARG_DST,
                                        DNNL_ARG_SCRATCHPAD};
    /* oneDNN reads its inputs through the same untyped handle that it writes its outputs through. */
    void *handles[OPERANDS] = {(void *)(uintptr_t)a, (void *)(uintptr_t)b, (void *)(uintptr_t)bias, c, NULL};
    if (p->scratch_bytes && !(handles[OPERAND_SCRATCH] = scratch_take(p->scratch_bytes))) return dnnl_out_of_memory;
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

static dnnl_status_t acquire_and_run(const product_key *key, const float *a, const float *b, const float *bias,
                                     float *c)
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

attn_status dense_multiply(int threads, int64_t M, int64_t N, int64_t K, const float *a, bool transpose_a,
                           const float *b, bool transpose_b, const float *bias, bool accumulate, float *c)
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
    key.transpose_a = transpose_a;
    key.transpose_b = transpose_b;
    key.bias = bias != NULL;
    key.accumulate = accumulate;
#ifdef _OPENMP
    /* oneDNN takes its thread count from the calling thread's setting, at compilation and at each run. */
    int before = omp_get_max_threads();
    if (before != threads) omp_set_num_threads(threads);
#endif
    dnnl_status_t s = acquire_and_run(&key, a, b, bias, c);
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
