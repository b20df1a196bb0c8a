#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "second_in_type.h"

#include "base/number_format.h"

#include <stdlib.h>
#include <string.h>

#define WIDE_POISON 12345.678f /* second_call.c's */
#define POISON 0x7fadu         /* a NaN that no operation makes */

static uint16_t to_type(attn_dtype type, float x)
{
    return type == ATTN_DTYPE_BF16 ? bf16_of_float(x) : fp16_of_float(x);
}

static const void *narrowed(second_in_type *x, const float *data, int64_t count)
{
    if (!data) return NULL;
    uint16_t *low = x->owned[x->owned_count++] = malloc((size_t)count * sizeof *low + 1);
    for (int64_t n = 0; n < count; n++) low[n] = to_type(x->d.dtype, data[n]);
    return low;
}

second_in_type second_in_type_create(second_call *s)
{
    second_in_type x = {.s = s, .second = s->second};
    attn_desc *d = &s->c->desc;
    const call_options *o = &s->c->options;
    float *result = d->o.data;
    const int64_t count = d->B * d->H * d->T * d->DV;
    x.d = call_in_type(s->c);
    for (int64_t n = 0; n < count; n++) result[n] = round_to_type(o->type, result[n]);
    x.d.o.data = (void *)(uintptr_t)narrowed(&x, result, count);
    attn_view *given[] = {&x.second.by_grad_q, &x.second.by_grad_k, &x.second.by_grad_v};
    for (int n = 0; n < 3; n++) given[n]->data = narrowed(&x, given[n]->data, o->B * given[n]->batch);
    attn_output *wanted[] = {&x.second.grad_q, &x.second.grad_k, &x.second.grad_v, &x.second.grad_grad_o};
    for (int n = 0; n < 4; n++) {
        x.outputs[n] = malloc(s->sizes[n] * sizeof *x.outputs[n]);
        wanted[n]->data = x.outputs[n] + GUARD;
    }
    return x;
}

void second_in_type_destroy(second_in_type *x)
{
    for (int n = 0; n < x->owned_count; n++) free(x->owned[n]);
    for (int n = 0; n < 4; n++) free(x->outputs[n]);
}

void second_in_type_run(second_in_type *x)
{
    const second_call *s = x->s;
    for (int n = 0; n < 4; n++)
        for (size_t k = 0; k < s->sizes[n]; k++) x->outputs[n][k] = POISON;
    for (int n = 4; n < SECOND_OUTPUTS; n++)
        for (size_t k = 0; k < s->sizes[n]; k++) s->buffers[n][k] = WIDE_POISON;
    for (size_t k = 0; s->grad_bias && k < s->grad_bias_size + 2 * GUARD; k++) s->grad_bias[k] = WIDE_POISON;
    size_t bytes = 0;
    if (attn_double_backward_workspace_size(&x->d, &x->second, &bytes)) fail_msg("%s", attn_error());
    const size_t whole = bytes / ATTN_ALIGNMENT * ATTN_ALIGNMENT + 2 * ATTN_ALIGNMENT;
    unsigned char *workspace = aligned_alloc(ATTN_ALIGNMENT, whole);
    memset(workspace, 0xfe, whole);
    if (attn_double_backward(&x->d, &x->second, workspace, bytes)) fail_msg("%s", attn_error());
    for (size_t n = bytes; n < whole; n++) assert_int_equal(workspace[n], 0xfe);
    free(workspace);
}

static void *copy_of(const void *data, size_t bytes)
{
    void *copy = malloc(bytes + 1);
    return bytes ? memcpy(copy, data, bytes) : copy;
}

void second_in_type_check(second_in_type *x)
{
    second_call *s = x->s;
    second_call_run(s);
    const size_t bias = s->grad_bias ? (s->grad_bias_size + 2 * GUARD) * sizeof(float) : 0;
    void *by_bias = copy_of(s->grad_bias, bias), *others[SECOND_OUTPUTS] = {0};
    for (int n = 4; n < SECOND_OUTPUTS; n++) others[n] = copy_of(s->buffers[n], s->sizes[n] * sizeof(float));
    second_in_type_run(x);
    for (int n = 0; n < 4; n++)
        for (size_t k = 0; k < s->sizes[n]; k++) {
            const float wide = s->buffers[n][k];
            const uint16_t want = wide == WIDE_POISON ? POISON : to_type(x->d.dtype, wide);
            if (x->outputs[n][k] != want)
                fail_msg("seed %llu: output %d[%zu] is 0x%04x, expected 0x%04x", (unsigned long long)s->seed, n, k,
                         x->outputs[n][k], want);
        }
    for (int n = 4; n < SECOND_OUTPUTS; n++) {
        if (s->sizes[n]) assert_memory_equal(others[n], s->buffers[n], s->sizes[n] * sizeof(float));
        free(others[n]);
    }
    if (bias) assert_memory_equal(by_bias, s->grad_bias, bias);
    free(by_bias);
}

void second_in_type_check_call(const call_options *options, uint64_t seed)
{
    second_call *s = second_call_create(options, seed, false);
    second_in_type x = second_in_type_create(s);
    second_in_type_check(&x);
    second_in_type_destroy(&x);
    second_call_destroy(s);
}
