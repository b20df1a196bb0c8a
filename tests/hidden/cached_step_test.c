#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/random.h"
#include "hidden/transformer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A decoder of 2 layers, d 24, 3 heads, over 3 sequences of up to 7 places, 2 rows each. */
enum { LAYERS = 2, WIDTH = 24, HIDDEN = 40, BATCH = 3, PLACES = 7, BEAM = 2, ROWS = BATCH * BEAM, STEPS = 21 };

static const int64_t lengths[BATCH] = {7, 3, 5};

typedef struct decoder {
    parameters parameters;
    transformer_layer layers[LAYERS];
    transformer_options options;
    tensor memory;
    float memory_values[BATCH * PLACES * WIDTH];
} decoder;

static float draw(uint64_t stream, uint64_t i)
{
    return 2 * random_unit(random_philox(stream, i, 0).word[0]) - 1;
}

enum { HEADS = 3, HEAD = WIDTH / HEADS };

typedef struct variant {
    bool pre_norm, qk_norm;
    int64_t key_value_heads;
    float softcap;
} variant;

/* Every tensor pointer of a layer in turn, those of attention's biases, weights and norms included. */
static void declare_layer(parameters *p, const variant *v, int64_t *index)
{
    const int64_t d = WIDTH, f = HIDDEN, h = HEAD;
    for (int block = 0; block < 2; block++) {
        for (int i = 0; i < 4; i++) { /* queries, keys, values, output */
            const int64_t rows = i == 1 || i == 2 ? HEAD * v->key_value_heads : d;
            *index = parameters_declare(p, "weight", 2, (int64_t[]){rows, d});
            *index = parameters_declare(p, "bias", 1, &rows);
        }
        for (int i = 0; i < 4; i++) *index = parameters_declare(p, "norm of queries, of keys", 1, &h);
    }
    for (int i = 0; i < 4; i++) *index = parameters_declare(p, "cross, self norm", 1, &d);
    *index = parameters_declare(p, "fc1", 2, (int64_t[]){f, d});
    *index = parameters_declare(p, "fc1 bias", 1, &f);
    *index = parameters_declare(p, "fc2", 2, (int64_t[]){d, f});
    *index = parameters_declare(p, "fc2 bias", 1, &d);
    for (int i = 0; i < 2; i++) *index = parameters_declare(p, "final norm", 1, &d);
}

static void drop_norms(attention_parameters *p)
{
    p->q_norm_gamma = p->q_norm_beta = p->k_norm_gamma = p->k_norm_beta = NULL;
}

static void create_decoder(decoder *m, const variant *v)
{
    memset(m, 0, sizeof *m);
    int64_t last = 0;
    for (int i = 0; i < LAYERS; i++) declare_layer(&m->parameters, v, &last);
    assert_true(last > 0);
    assert_int_equal(parameters_allocate(&m->parameters, false), ATTN_OK);
    for (int64_t i = 0; i < m->parameters.total; i++) m->parameters.values[i] = 0.4f * draw(1, (uint64_t)i);
    /* The layer is a struct of tensor pointers in the order of the declarations above. */
    const size_t each = sizeof(transformer_layer) / sizeof(tensor *);
    assert_int_equal((int64_t)each * LAYERS, m->parameters.count);
    for (size_t i = 0; i < each * LAYERS; i++)
        memcpy((tensor **)(void *)m->layers + i, &(tensor *){&m->parameters.items[i].tensor}, sizeof(tensor *));
    for (int i = 0; i < LAYERS && !v->qk_norm; i++) {
        drop_norms(&m->layers[i].self);
        drop_norms(&m->layers[i].cross);
    }
    m->options = (transformer_options){.heads = HEADS,
                                       .key_value_heads = v->key_value_heads,
                                       .softcap = v->softcap,
                                       .activation = ACTIVATION_SWISH,
                                       .pre_norm = v->pre_norm,
                                       .norm_epsilon = 1e-5f};
    for (int i = 0; i < BATCH * PLACES * WIDTH; i++) m->memory_values[i] = draw(2, (uint64_t)i);
    m->memory = (tensor){.rank = 2, .shape = {BATCH * PLACES, WIDTH}, .value = m->memory_values};
}

/* The inputs of one hypothesis so far. */
typedef struct history {
    int64_t sequence, length;
    float inputs[STEPS][WIDTH];
} history;

/* The whole hypothesis through the decoder without a cache, alone in its batch: its last row, and weights. */
static void decode_whole(decoder *m, const history *h, float *out, float *self, float *cross)
{
    tape *t;
    assert_int_equal(tape_create(&t, TAPE_INFER, 1), ATTN_OK);
    tensor x = {.rank = 2, .shape = {h->length, WIDTH}, .value = (float *)(uintptr_t)h->inputs};
    tensor memory = {.rank = 2, .shape = {PLACES, WIDTH}, .value = m->memory_values + h->sequence * PLACES * WIDTH};
    float *all_self = calloc((size_t)(3 * h->length * h->length), sizeof(float));
    float *all_cross = calloc((size_t)(3 * h->length * PLACES), sizeof(float));
    float *selves[LAYERS] = {NULL, all_self}, *crosses[LAYERS] = {NULL, all_cross};
    const attention_weights_sink sink = {selves, crosses};
    tensor *y = transformer_decode(t, &m->options, m->layers, LAYERS, &x, &memory, 1, &lengths[h->sequence], &sink);
    assert_int_equal(tape_status(t), ATTN_OK);
    const int64_t n = h->length;
    memcpy(out, y->value + (n - 1) * WIDTH, WIDTH * sizeof(float));
    for (int head = 0; head < 3; head++) {
        memcpy(self + head * n, all_self + (head * n + n - 1) * n, (size_t)n * sizeof(float));
        memcpy(cross + head * PLACES, all_cross + (head * n + n - 1) * PLACES, PLACES * sizeof(float));
    }
    free(all_self);
    free(all_cross);
    tape_destroy(t);
}

static void assert_close(const float *got, const float *want, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (!(fabsf(got[i] - want[i]) <= 1e-5f)) fail_msg("element %d: %g, expected %g", (int)i, got[i], want[i]);
}

/* Steps `rows` hypotheses and compares each with its uncached twin. */
static void step_and_compare(decoder *m, tape *t, transformer_cache *cache, history *rows, int64_t count, int step)
{
    static float x[ROWS * WIDTH], out[WIDTH], self[3 * STEPS], cross[3 * PLACES];
    static float self_weights[ROWS * 3 * STEPS], cross_weights[ROWS * 3 * PLACES];
    for (int64_t r = 0; r < count; r++) {
        for (int i = 0; i < WIDTH; i++) x[r * WIDTH + i] = draw(100 + (uint64_t)step, (uint64_t)(r * WIDTH + i));
        memcpy(rows[r].inputs[rows[r].length++], x + r * WIDTH, WIDTH * sizeof(float));
    }
    tape_begin(t, 0);
    tensor in = {.rank = 2, .shape = {count, WIDTH}, .value = x};
    float *selves[LAYERS] = {NULL, self_weights}, *crosses[LAYERS] = {NULL, cross_weights};
    const attention_weights_sink sink = {selves, crosses};
    tensor *y = transformer_step(t, &m->options, m->layers, LAYERS, &in, cache, &sink);
    assert_int_equal(tape_status(t), ATTN_OK);
    for (int64_t r = 0; r < count; r++) {
        decode_whole(m, &rows[r], out, self, cross);
        assert_close(y->value + r * WIDTH, out, WIDTH);
        assert_close(self_weights + r * 3 * rows[r].length, self, 3 * rows[r].length);
        assert_close(cross_weights + r * 3 * PLACES, cross, 3 * PLACES);
    }
}

static void reorder(transformer_cache *cache, history *rows, const int64_t *from, const int64_t *sequence_of,
                    int64_t count)
{
    static history old[ROWS];
    memcpy(old, rows, sizeof old);
    for (int64_t r = 0; r < count; r++) {
        rows[r] = old[from[r]];
        assert_int_equal(rows[r].sequence, sequence_of[r]);
    }
    assert_int_equal(transformer_cache_reorder(cache, 2, from, sequence_of, count), ATTN_OK);
}

static void agrees_with_the_uncached_decoder(void **state)
{
    (void)state;
    static const variant variants[] = {
        {.key_value_heads = HEADS},
        {.pre_norm = true, .key_value_heads = HEADS},
        {.qk_norm = true, .key_value_heads = 1, .softcap = 1.5f},
    };
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        static decoder m;
        static history rows[ROWS];
        create_decoder(&m, &variants[i]);
        tape *kept, *t;
        transformer_cache *cache;
        assert_int_equal(tape_create(&kept, TAPE_INFER, 2), ATTN_OK);
        assert_int_equal(tape_create(&t, TAPE_INFER, 2), ATTN_OK);
        assert_int_equal(transformer_cache_create(&cache, kept, &m.options, m.layers, LAYERS, &m.memory, BATCH, lengths,
                                                  BEAM, STEPS),
                         ATTN_OK);
        memset(rows, 0, sizeof rows);
        for (int r = 0; r < BATCH; r++) rows[r].sequence = r;
        /* One row a sequence at first, then the beams, swapped and doubled; one beam smaller; sequence 1 dropped; 0
         * dropped. */
        int step = 0;
        const int64_t each[] = {0, 1, 2};
        assert_int_equal(transformer_cache_reorder(cache, 1, each, each, 3), ATTN_OK);
        step_and_compare(&m, t, cache, rows, 3, step++);
        reorder(cache, rows, (int64_t[]){0, 0, 1, 1, 2, 2}, (int64_t[]){0, 0, 1, 1, 2, 2}, 6);
        step_and_compare(&m, t, cache, rows, 6, step++);
        step_and_compare(&m, t, cache, rows, 6, step++);
        reorder(cache, rows, (int64_t[]){1, 0, 3, 3, 4, 5}, (int64_t[]){0, 0, 1, 1, 2, 2}, 6);
        step_and_compare(&m, t, cache, rows, 6, step++);
        reorder(cache, rows, (int64_t[]){0, 1, 3, 5, 4}, (int64_t[]){0, 0, 1, 2, 2}, 5);
        step_and_compare(&m, t, cache, rows, 5, step++);
        reorder(cache, rows, (int64_t[]){1, 3, 4}, (int64_t[]){0, 2, 2}, 3);
        while (step < STEPS - 2) step_and_compare(&m, t, cache, rows, 3, step++);
        reorder(cache, rows, (int64_t[]){2, 1}, (int64_t[]){2, 2}, 2);
        while (step < STEPS) step_and_compare(&m, t, cache, rows, 2, step++);
        assert_int_equal(transformer_cache_reorder(cache, 1, (int64_t[]){0}, (int64_t[]){0}, 1), ATTN_ERROR_ARGUMENT);
        tensor in = {.rank = 2, .shape = {2, WIDTH}, .value = m.memory_values};
        transformer_step(t, &m.options, m.layers, LAYERS, &in, cache, NULL); /* one more than max_positions */
        assert_int_equal(tape_status(t), ATTN_ERROR_ARGUMENT);
        tape_destroy(t);
        tape_destroy(kept);
        parameters_destroy(&m.parameters);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(agrees_with_the_uncached_decoder)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
