#include "base/status.h"
#include "hidden/sublayers.h"
#include "hidden/transformer_cache.h"
#include "tensor/tape_attention.h"

#include <string.h>

/* Row r of `rows` to or from its place among the slots' queries; the rest of `places` is left as it is. */
static void scatter(const transformer_cache *c, const float *rows, float *places, int64_t size)
{
    for (int64_t r = 0; r < c->rows; r++)
        memcpy(places + c->place[r] * size, rows + r * size, (size_t)size * sizeof(float));
}

static void gather(const transformer_cache *c, const float *places, float *rows, int64_t size)
{
    for (int64_t r = 0; r < c->rows; r++)
        memcpy(rows + r * size, places + c->place[r] * size, (size_t)size * sizeof(float));
}

/* Every row's new key and value behind its earlier ones. */
static void append(const transformer_cache *c, const layer_cache *l, const tensor *k, const tensor *v)
{
    const size_t bytes = (size_t)c->key_width * sizeof(float);
    for (int64_t r = 0; r < c->rows; r++) {
        const int64_t at = (r * c->capacity + c->position) * c->key_width;
        memcpy(l->self_k + at, k->value + r * c->key_width, bytes);
        memcpy(l->self_v + at, v->value + r * c->key_width, bytes);
    }
}

/* One query a row against the row's own positions 0 .. position. */
static tensor *attend_self(tape *t, const transformer_options *o, const transformer_cache *c, const layer_cache *l,
                           const attention_parameters *p, tensor *x, float *weights)
{
    tensor *q = attention_queries(t, o, p, x), *k = attention_keys(t, o, p, x);
    tensor *v = tape_linear(t, x, p->v_weight, p->v_bias, ACTIVATION_NONE);
    tensor *y = tape_result(t, 2, x->shape);
    if (!y) return tape_nothing(t);
    append(c, l, k, v);
    const int64_t H = o->heads, HK = key_value_heads(o), D = c->d / H, S = c->position + 1;
    attn_desc d;
    attn_desc_init(&d, sizeof d, c->rows, H, HK, 1, S, D, D);
    d.q = attend_view(q->value, 1, H, D);
    d.k = attend_view(l->self_k, c->capacity, HK, D);
    d.v = attend_view(l->self_v, c->capacity, HK, D);
    d.o = attend_output(y->value, 1, H, D);
    d.softcap = o->softcap;
    d.parallel.threads = tape_threads(t);
    const attn_output w = {weights, H * S, S, S};
    attend(t, &d, weights ? &w : NULL);
    return tape_linear(t, y, p->o_weight, p->o_bias, ACTIVATION_NONE);
}

/* The rows of a slot are the queries of one sequence; where rows are not in their places, they go there and come back.
 */
static tensor *attend_memory(tape *t, const transformer_options *o, const transformer_cache *c, const layer_cache *l,
                             const attention_parameters *p, tensor *x, float *weights)
{
    tensor *q = attention_queries(t, o, p, x);
    tensor *y = tape_result(t, 2, x->shape);
    const int64_t H = o->heads, HK = key_value_heads(o), D = c->d / H, places = c->slots * c->width;
    float *queries = c->in_place ? q->value : tape_take(t, places * c->d, sizeof(float));
    float *results = c->in_place && y ? y->value : tape_take(t, places * c->d, sizeof(float));
    float *shown = c->in_place || !weights ? weights : tape_take(t, places * H * c->S, sizeof(float));
    if (tape_status(t) != ATTN_OK) return tape_nothing(t);
    if (!c->in_place) {
        memset(queries, 0, (size_t)(places * c->d) * sizeof(float));
        scatter(c, q->value, queries, c->d);
    }
    attn_desc d;
    attn_desc_init(&d, sizeof d, c->slots, H, HK, c->width, c->S, D, D);
    d.q = attend_view(queries, c->width, H, D);
    d.k = attend_view(l->cross_k, c->S, HK, D);
    d.v = attend_view(l->cross_v, c->S, HK, D);
    d.o = attend_output(results, c->width, H, D);
    d.key_lengths = c->slot_lengths;
    d.softcap = o->softcap;
    d.parallel.threads = tape_threads(t);
    const attn_output w = {shown, c->width * H * c->S, c->S, H * c->S};
    attend(t, &d, weights ? &w : NULL);
    if (!c->in_place) {
        gather(c, results, y->value, c->d);
        if (weights) gather(c, shown, weights, H * c->S);
    }
    return tape_linear(t, y, p->o_weight, p->o_bias, ACTIVATION_NONE);
}

static tensor *step_layer(tape *t, const transformer_options *o, const transformer_layer *l, const transformer_cache *c,
                          const layer_cache *cached, tensor *x, float *self_weights, float *cross_weights)
{
    tensor *h = sublayer_input(t, o, x, l->self_norm_gamma, l->self_norm_beta);
    tensor *y = attend_self(t, o, c, cached, &l->self, h, self_weights);
    x = sublayer_output(t, o, x, y, l->self_norm_gamma, l->self_norm_beta);
    h = sublayer_input(t, o, x, l->cross_norm_gamma, l->cross_norm_beta);
    y = attend_memory(t, o, c, cached, &l->cross, h, cross_weights);
    x = sublayer_output(t, o, x, y, l->cross_norm_gamma, l->cross_norm_beta);
    h = sublayer_input(t, o, x, l->final_norm_gamma, l->final_norm_beta);
    return sublayer_output(t, o, x, feed_forward(t, o, l, h), l->final_norm_gamma, l->final_norm_beta);
}

static attn_status check_step(const tape *t, const tensor *x, const transformer_cache *c, int64_t layer_count)
{
    if (tape_get_mode(t) != TAPE_INFER) return status_fail(ATTN_ERROR_ARGUMENT, "a cached step on a tape that trains");
    if (x->rank == 2 && x->shape[0] == c->rows && x->shape[1] == c->d && layer_count == c->layer_count) return ATTN_OK;
    return status_fail(ATTN_ERROR_ARGUMENT,
                       "a step of (%lld, %lld) and %lld layers on a cache of (%lld, %lld) and %lld",
                       (long long)x->shape[0], (long long)x->shape[1], (long long)layer_count, (long long)c->rows,
                       (long long)c->d, (long long)c->layer_count);
}

tensor *transformer_step(tape *t, const transformer_options *o, const transformer_layer *layers, int64_t layer_count,
                         tensor *x, transformer_cache *c, const attention_weights_sink *sink)
{
    if (tape_status(t) != ATTN_OK) return tape_nothing(t);
    attn_status s = check_step(t, x, c, layer_count);
    if (s == ATTN_OK) s = transformer_cache_reserve(c);
    tape_fail(t, s);
    const arena_place place = arena_place_now(tape_arena(t));
    for (int64_t i = 0; i < layer_count && tape_status(t) == ATTN_OK; i++) {
        x = step_layer(t, o, &layers[i], c, &c->layers[i], x, sink && sink->self ? sink->self[i] : NULL,
                       sink && sink->cross ? sink->cross[i] : NULL);
        x = tape_keep(t, place, x);
    }
    if (tape_status(t) != ATTN_OK) return tape_nothing(t);
    c->position++;
    return x;
}
