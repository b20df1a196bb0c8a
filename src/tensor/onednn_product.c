#include "tensor/onednn_product.h"

#include "base/status.h"
#include "tensor/onednn_seam.h"
#include "tensor/thread_scratch.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPERAND_A, OPERAND_B, OPERAND_BIAS, OPERAND_C, OPERAND_SCRATCH, OPERANDS };

struct product {
    product_key key;
    dnnl_primitive_t primitive;
    layout layouts[OPERANDS];
    size_t scratch_bytes;
    dnnl_primitive_t packing; /* of a b that is to be packed; NULL where the product likes it as it comes */
    layout unpacked;
    size_t packed_bytes;
};

struct factor_layout {
    layout of;
};

/* One for the process, as oneDNN has it. */
static struct {
    pthread_mutex_t lock;
    dnnl_engine_t handle;
} engine = {.lock = PTHREAD_MUTEX_INITIALIZER};

static dnnl_status_t engine_create(void)
{
    pthread_mutex_lock(&engine.lock);
    dnnl_status_t s = engine.handle ? dnnl_success : dnnl_engine_create(&engine.handle, dnnl_cpu, 0);
    pthread_mutex_unlock(&engine.lock);
    return s;
}

static attn_status status_of(dnnl_status_t s)
{
    return s == dnnl_out_of_memory ? ATTN_ERROR_MEMORY : ATTN_ERROR_UNSUPPORTED;
}

static attn_status product_status(dnnl_status_t s, const product_key *k)
{
    if (s == dnnl_success) return ATTN_OK;
    return status_fail(status_of(s), "oneDNN's product of (%lld, %lld) and (%lld, %lld) failed with status %d",
                       (long long)k->M, (long long)k->K, (long long)k->K, (long long)k->N, (int)s);
}

/* ---- compiling -------------------------------------------------------------------------------------------------- */

void product_destroy(product *p)
{
    if (!p) return;
    if (p->primitive) dnnl_primitive_destroy(p->primitive);
    if (p->packing) dnnl_primitive_destroy(p->packing);
    layout_destroy(&p->unpacked);
    for (int i = 0; i < OPERANDS; i++) layout_destroy(&p->layouts[i]);
    free(p);
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
        s = describe_matmul(out, engine.handle, view(&l[OPERAND_A]), view(&l[OPERAND_B]),
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
        dnnl_reorder_primitive_desc_create(&description, view(from), engine.handle, view(to), engine.handle, NULL);
    if (s == dnnl_success) s = dnnl_primitive_create(out, description);
    if (description) dnnl_primitive_desc_destroy(description);
    return s;
}

static dnnl_status_t describe_second(layout *l, const product_key *k, const dense_packed *packed)
{
    const dnnl_dims_t dims = {k->K, k->N};
    if (k->b_form == PACKED) return layout_copy(l, view(&packed->layout->of));
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
    if (s == dnnl_success)
        s = describe_operand(&p->unpacked, onednn_type(p->key.type), p->key.K, p->key.N, p->key.transpose_b);
    if (s != dnnl_success || dnnl_memory_desc_equal(view(b), view(&p->unpacked))) return s;
    p->packed_bytes = dnnl_memory_desc_get_size(view(b));
    return reorder_create(&p->packing, &p->unpacked, b);
}

static dnnl_status_t compile(product *p, const dense_packed *packed)
{
    const product_key *k = &p->key;
    dnnl_status_t s = describe_operand(&p->layouts[OPERAND_A], onednn_type(k->type), k->M, k->K, k->transpose_a);
    if (s == dnnl_success) s = describe_second(&p->layouts[OPERAND_B], k, packed);
    if (s == dnnl_success) s = describe_operand(&p->layouts[OPERAND_BIAS], dnnl_f32, 1, k->N, false);
    const dnnl_data_type_t result = k->narrow_c ? dnnl_bf16 : dnnl_f32;
    if (s == dnnl_success) s = describe_operand(&p->layouts[OPERAND_C], result, k->M, k->N, false);
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

attn_status product_compile(product **out, const product_key *key, const dense_packed *packed)
{
    product *p = calloc(1, sizeof *p);
    if (!p) return product_status(dnnl_out_of_memory, key);
    p->key = *key;
    dnnl_status_t s = engine_create();
    if (s == dnnl_success) s = compile(p, packed);
    if (s == dnnl_success) {
        *out = p;
        return ATTN_OK;
    }
    product_destroy(p);
    return product_status(s, key);
}

/* ---- running ---------------------------------------------------------------------------------------------------- */

static dnnl_status_t reorder_run(dnnl_primitive_t reorder, const layout *from, const void *values, const layout *to,
                                 void *result)
{
    dnnl_stream_t stream = NULL;
    dnnl_exec_arg_t arguments[2] = {{DNNL_ARG_FROM, NULL}, {DNNL_ARG_TO, NULL}};
    void *source = (void *)(uintptr_t)values; /* read only, see run */
    dnnl_status_t s = dnnl_memory_create(&arguments[0].memory, view(from), engine.handle, source);
    if (s == dnnl_success) s = dnnl_memory_create(&arguments[1].memory, view(to), engine.handle, result);
    if (s == dnnl_success) s = dnnl_stream_create(&stream, engine.handle, dnnl_stream_default_flags);
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
    void *packed = thread_scratch(SCRATCH_PACKED, p->packed_bytes);
    if (!packed) return dnnl_out_of_memory;
    dnnl_status_t s = reorder_run(p->packing, &p->unpacked, *b, &p->layouts[OPERAND_B], packed);
    *b = packed;
    return s;
}

static dnnl_status_t run(const product *p, const void *a, const void *b, const float *bias, void *c)
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
    dnnl_status_t s = dnnl_stream_create(&stream, engine.handle, dnnl_stream_default_flags);
    for (int i = 0; i < OPERANDS && s == dnnl_success; i++) {
        if (!handles[i]) continue;
        arguments[count].arg = names[i];
        s = dnnl_memory_create(&arguments[count].memory, view(&p->layouts[i]), engine.handle, handles[i]);
        if (s == dnnl_success) count++;
    }
    if (s == dnnl_success) s = dnnl_primitive_execute(p->primitive, stream, count, arguments);
    if (s == dnnl_success) s = dnnl_stream_wait(stream);
    while (count > 0) dnnl_memory_destroy(arguments[--count].memory);
    if (stream) dnnl_stream_destroy(stream);
    return s;
}

attn_status product_run(const product *p, const void *a, const void *b, const float *bias, void *c)
{
    dnnl_status_t s = p->packing ? pack_for_run(p, &b) : dnnl_success;
    return product_status(s == dnnl_success ? run(p, a, b, bias, c) : s, &p->key);
}

/* ---- packed weights --------------------------------------------------------------------------------------------- */

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
        s = layout_copy(&b->layout->of, dnnl_primitive_desc_query_md(description, dnnl_query_weights_md, 0));
    if (description) dnnl_primitive_desc_destroy(description);
    for (int i = 0; i < OPERANDS; i++) layout_destroy(&p.layouts[i]);
    return s;
}

static dnnl_status_t pack(dense_packed *b, const void *values, bool transposed)
{
    b->layout = calloc(1, sizeof *b->layout);
    if (!b->layout) return dnnl_out_of_memory;
    dnnl_status_t s = engine_create();
    if (s == dnnl_success) s = choose_layout(b);
    if (s != dnnl_success) return s;
    const size_t bytes = dnnl_memory_desc_get_size(view(&b->layout->of));
    b->values = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!b->values) return dnnl_out_of_memory;
    layout plain;
    memset(&plain, 0, sizeof plain);
    s = describe_operand(&plain, onednn_type(b->type), b->K, b->N, transposed);
    dnnl_primitive_t packing = NULL;
    if (s == dnnl_success) s = reorder_create(&packing, &plain, &b->layout->of);
    if (s == dnnl_success) s = reorder_run(packing, &plain, values, &b->layout->of, b->values);
    if (packing) dnnl_primitive_destroy(packing);
    layout_destroy(&plain);
    return s;
}

attn_status packed_fill(dense_packed *b, const void *values, bool transposed)
{
    dnnl_status_t s = pack(b, values, transposed);
    if (s == dnnl_success) return ATTN_OK;
    return status_fail(status_of(s), "oneDNN's packing of weights (%lld, %lld) failed with status %d", (long long)b->N,
                       (long long)b->K, (int)s);
}

void packed_clear(dense_packed *b)
{
    if (b->layout) layout_destroy(&b->layout->of);
    free(b->layout);
    free(b->values);
}

/* ---- the library ------------------------------------------------------------------------------------------------ */

bool onednn_multiplies_bf16(void)
{
    const unsigned needed = dnnl_cpu_isa_avx512_core_bf16; /* a set of bits, which those above it have too */
    return ((unsigned)dnnl_get_effective_cpu_isa() & needed) == needed;
}

void onednn_version(char *text, size_t size)
{
    const dnnl_version_t *v = dnnl_version();
    snprintf(text, size, "oneDNN %d.%d.%d", v->major, v->minor, v->patch);
}
