/* Packed sequences of different lengths: each has the bits that it has alone, in every array; what is summed over them
 * is the sum of theirs; rows of no sequence stay as they were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "call.h"
#include "grid.h"

#include "base/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SEQUENCES 4
#define UNTOUCHED 12345.0f
#define NOT_LOOKED_AT 987654321

enum { Q, K, V, GRAD_O, GRAD_LSE, READ };
enum { O, LSE, GRAD_Q, GRAD_K, GRAD_V, WRITTEN };

/* An array by rows: what it is of, its descriptor's fields. */
typedef struct array {
    bool keys;
    int64_t heads, columns;
} array;

typedef struct problem {
    uint64_t seed;
    call *c;
    int64_t slack; /* rows of no sequence, before and behind: now and then many blocks of them */
    bool packs_queries, packs_keys;
    int64_t query_starts[SEQUENCES + 1], key_starts[SEQUENCES + 1];
    array read[READ], written[WRITTEN];
    float *data[READ + WRITTEN];
    attn_desc together;
    void *workspace;
} problem;

static attn_view *read_field(attn_desc *d, int n)
{
    attn_view *fields[READ] = {&d->q, &d->k, &d->v, &d->grad_o, &d->grad_lse};
    return fields[n];
}

static attn_output *written_field(attn_desc *d, int n)
{
    attn_output *fields[WRITTEN] = {&d->o, &d->lse, &d->grad_q, &d->grad_k, &d->grad_v};
    return fields[n];
}

static void run(const attn_desc *d, const char *what, uint64_t seed)
{
    size_t forward = 0, backward = 0;
    if (attn_forward_workspace_size(d, &forward) || attn_backward_workspace_size(d, &backward))
        fail_msg("seed %llu, %s: %s", (unsigned long long)seed, what, attn_error());
    size_t bytes = forward > backward ? forward : backward;
    unsigned char *workspace = aligned_alloc(ATTN_ALIGNMENT, (bytes + 127) / 64 * 64);
    memset(workspace, 0xff, bytes + 1);
    if (attn_forward(d, workspace, forward)) fail_msg("%s: %s", what, attn_error());
    memset(workspace, 0xff, bytes);
    if (attn_backward(d, workspace, backward)) fail_msg("%s: %s", what, attn_error());
    assert_int_equal(workspace[bytes], 0xff);
    free(workspace);
}

static int64_t rows_of(const problem *p, bool keys)
{
    const attn_desc *d = &p->c->desc;
    if (keys) return p->packs_keys ? p->key_starts[SEQUENCES] + p->slack : d->S;
    return p->packs_queries ? p->query_starts[SEQUENCES] + p->slack : d->T;
}

/* Where row i of head h of sequence b stands in an array of ours: (rows, H, columns) packed, (B, H, rows, columns) not.
 */
static float *at(const problem *p, int n, int64_t b, int64_t h, int64_t i)
{
    const array *a = n < READ ? &p->read[n] : &p->written[n - READ];
    bool packed = a->keys ? p->packs_keys : p->packs_queries;
    const int64_t *starts = a->keys ? p->key_starts : p->query_starts;
    int64_t rows = rows_of(p, a->keys);
    int64_t row = packed ? (starts[b] + i) * a->heads + h : (b * a->heads + h) * rows + i;
    return p->data[n] + row * a->columns;
}

static int64_t length(const problem *p, bool keys, int64_t b)
{
    const int64_t *starts = keys ? p->key_starts : p->query_starts;
    return starts[b + 1] - starts[b];
}

/* A first start beyond 0; a sequence without rows now and then; where keys or queries are not packed, all of them. */
static void draw_starts(const problem *p, int64_t *starts, bool packed, int64_t most, uint64_t stream)
{
    starts[0] = packed ? p->slack : 0;
    for (uint64_t b = 0; b < SEQUENCES; b++) {
        uint32_t drawn = random_philox(p->seed, b, stream).word[0];
        int64_t rows = drawn % 7 == 0 ? 0 : drawn % 7 == 1 ? 1 + drawn % 4 : 1 + drawn % (uint32_t)most;
        starts[b + 1] = starts[b] + (packed ? (rows < most ? rows : most) : most);
    }
}

static void set_views(problem *p)
{
    attn_desc *d = &p->together;
    for (int n = 0; n < READ + WRITTEN; n++) {
        const array *a = n < READ ? &p->read[n] : &p->written[n - READ];
        bool packed = a->keys ? p->packs_keys : p->packs_queries;
        int64_t rows = rows_of(p, a->keys), row = packed ? a->heads * a->columns : a->columns;
        int64_t head = packed ? a->columns : rows * a->columns, batch = packed ? NOT_LOOKED_AT : a->heads * head;
        size_t count = (size_t)((packed ? 1 : SEQUENCES) * rows * a->heads * a->columns);
        p->data[n] = malloc((count + 1) * sizeof(float));
        for (size_t k = 0; k < count; k++) p->data[n][k] = UNTOUCHED;
        if (n < READ)
            *read_field(d, n) = (attn_view){p->data[n], batch, head, row};
        else
            *written_field(d, n - READ) = (attn_output){p->data[n], batch, head, row};
    }
}

static problem *create(uint64_t seed)
{
    call_options o = call_random_options(seed);
    o.B = SEQUENCES;
    o.by_lse = true;
    if (o.T > 70 || o.S > 70) o.H = o.HK = 1, o.D = 1 + o.D % 9, o.DV = 1 + o.DV % 9;
    problem *p = malloc(sizeof *p);
    *p = (problem){.seed = seed,
                   .slack = seed % 6 ? 3 : 600,
                   .c = call_create(&o, seed),
                   .packs_queries = seed % 3 != 1,
                   .packs_keys = seed % 3 != 2};
    attn_desc *d = &p->c->desc;
    draw_starts(p, p->query_starts, p->packs_queries, d->T, 50);
    draw_starts(p, p->key_starts, p->packs_keys, d->S, 51);
    for (int64_t b = 0; b < SEQUENCES; b++) {
        if (p->c->lengths[b] > length(p, true, b)) p->c->lengths[b] = length(p, true, b);
    }
    const array queries = {false, d->H, d->D}, keys = {true, d->HK, d->D}, values = {true, d->HK, d->DV},
                results = {false, d->H, d->DV}, sums = {false, d->H, 1};
    p->read[Q] = queries, p->read[K] = keys, p->read[V] = values, p->read[GRAD_O] = results, p->read[GRAD_LSE] = sums;
    p->written[O] = results, p->written[LSE] = sums, p->written[GRAD_Q] = queries;
    p->written[GRAD_K] = keys, p->written[GRAD_V] = values;
    p->together = *d;
    set_views(p);
    p->together.T = rows_of(p, false), p->together.S = rows_of(p, true);
    if (p->packs_queries) p->together.query_starts = p->query_starts;
    if (p->packs_keys) p->together.key_starts = p->key_starts;
    for (int n = 0; n < READ; n++) {
        const attn_view *from = read_field(d, n);
        for (int64_t b = 0; b < SEQUENCES; b++)
            for (int64_t h = 0; h < p->read[n].heads; h++)
                for (int64_t i = 0; i < length(p, p->read[n].keys, b); i++)
                    memcpy(at(p, n, b, h, i),
                           (const float *)from->data + b * from->batch + h * from->head + i * from->row,
                           (size_t)p->read[n].columns * sizeof(float));
    }
    return p;
}

static void destroy(problem *p)
{
    for (int n = 0; n < READ + WRITTEN; n++) free(p->data[n]);
    call_destroy(p->c);
    free(p);
}

/* Sequence b by itself, its results in fresh contiguous arrays. */
static attn_desc alone(const problem *p, int64_t b, float **fresh)
{
    attn_desc d = p->c->desc, whole;
    int64_t T = length(p, false, b), S = length(p, true, b);
    attn_desc_init(&whole, sizeof whole, 1, d.H, d.HK, T, S, d.D, d.DV);
    d.B = 1, d.T = T, d.S = S;
    for (int n = 0; n < READ; n++) {
        attn_view *view = read_field(&d, n);
        view->data = (const float *)view->data + b * view->batch;
    }
    for (int n = 0; n < WRITTEN; n++) {
        int64_t rows = length(p, p->written[n].keys, b);
        fresh[n] = malloc((size_t)(p->written[n].heads * rows * p->written[n].columns + 1) * sizeof(float));
        *written_field(&d, n) = *written_field(&whole, n);
        written_field(&d, n)->data = fresh[n];
    }
    if (d.key_lengths) d.key_lengths += b;
    if (d.query_offsets) d.query_offsets += b;
    d.dropout_keys += b;
    if (d.block_mask.starts) d.block_mask.starts += b * d.block_mask.batch;
    if (d.mask.data) d.mask.data = (const char *)d.mask.data + b * d.mask.batch;
    if (d.bias.data) d.bias.data = (const float *)d.bias.data + b * d.bias.batch;
    return d;
}

static void compare_rows(const problem *p, int64_t b, float **fresh)
{
    static const char *const names[WRITTEN] = {"o", "lse", "grad_q", "grad_k", "grad_v"};
    for (int n = 0; n < WRITTEN; n++) {
        const array *a = &p->written[n];
        int64_t rows = length(p, a->keys, b);
        for (int64_t h = 0; h < a->heads; h++)
            for (int64_t i = 0; i < rows; i++) {
                const float *got = at(p, READ + n, b, h, i), *want = fresh[n] + (h * rows + i) * a->columns;
                if (memcmp(got, want, (size_t)a->columns * sizeof(float)))
                    fail_msg("seed %llu: %s of sequence %d, head %d, row %d: %.9g, alone %.9g",
                             (unsigned long long)p->seed, names[n], (int)b, (int)h, (int)i, got[0], want[0]);
            }
    }
}

static void compare_column_sums(const problem *p, int64_t b, const attn_desc *d)
{
    const attn_region region = {b, 1, 0, d->H, 0, d->T};
    int64_t count = d->H * d->S;
    size_t bytes, alone;
    if (!count) return;
    float *got = malloc((size_t)(2 * count) * sizeof(float)), *want = got + count;
    assert_int_equal(attn_weights_column_sums_workspace_size(&p->together, &bytes), ATTN_OK);
    assert_int_equal(attn_weights_column_sums_workspace_size(d, &alone), ATTN_OK);
    if (alone > bytes) bytes = alone;
    void *workspace = aligned_alloc(ATTN_ALIGNMENT, (bytes + 127) / 64 * 64);
    attn_output sums[] = {{got, 0, d->S, 1}, {want, 0, d->S, 1}};
    if (attn_weights_column_sums(&p->together, &region, &sums[0], workspace, bytes)) fail_msg("%s", attn_error());
    assert_int_equal(attn_weights_column_sums(d, NULL, &sums[1], workspace, bytes), ATTN_OK);
    assert_memory_equal(got, want, (size_t)count * sizeof(float));
    free(workspace);
    free(got);
}

static void compare_weights(const problem *p, int64_t b, const attn_desc *d)
{
    const attn_region region = {b, 1, 0, d->H, 0, d->T}, own = {0, 1, 0, d->H, 0, d->T};
    int64_t count = d->H * d->T * d->S;
    if (!count) return;
    float *got = malloc((size_t)(2 * count + 1) * sizeof(float)), *want = got + count;
    if (attn_weights(&p->together, &region, &(attn_output){got, 0, d->T * d->S, d->S})) fail_msg("%s", attn_error());
    assert_int_equal(attn_weights(d, &own, &(attn_output){want, 0, d->T * d->S, d->S}), ATTN_OK);
    assert_memory_equal(got, want, (size_t)count * sizeof(float));
    free(got);
}

/* Gradients that are summed over the batch: each element near the sum of what the sequences give. */
typedef struct sums {
    double *want, *sizes;
    const float *got;
    int64_t count;
} sums;

static void add_sums(sums *s, const float *part)
{
    for (int64_t n = 0; n < s->count; n++) s->want[n] += part[n], s->sizes[n] += fabs(part[n]);
}

static void check_sums(const problem *p, const char *name, sums *s)
{
    for (int64_t n = 0; n < s->count; n++)
        if (!(fabs(s->got[n] - s->want[n]) <= 1e-5 * (1 + s->sizes[n])))
            fail_msg("seed %llu: %s[%d] is %.9g, the sequences' sum %.9g", (unsigned long long)p->seed, name, (int)n,
                     s->got[n], s->want[n]);
    free(s->want);
    free(s->sizes);
}

static sums begin_sums(const float *got, int64_t count)
{
    return (sums){calloc((size_t)count + 1, sizeof(double)), calloc((size_t)count + 1, sizeof(double)), got, count};
}

static int64_t score_vector_floats(const attn_desc *d)
{
    return d->grad_score_vector.data ? (d->H - 1) * d->grad_score_vector.head + d->D : 0;
}

/* The gradients of sequence d, summed into s: sinks, score vectors, bias and slopes, each into an array of its own. */
static void run_alone(const problem *p, attn_desc *d, int64_t b, sums s[4])
{
    float *sinks = calloc((size_t)s[0].count + 1, sizeof(float)),
          *vectors = calloc((size_t)s[1].count + 1, sizeof(float));
    float *bias = calloc((size_t)s[2].count + 1, sizeof(float)),
          *slopes = calloc((size_t)s[3].count + 1, sizeof(float));
    if (d->grad_alibi_slopes) d->grad_alibi_slopes = slopes;
    if (d->grad_sinks) d->grad_sinks = sinks;
    if (d->grad_score_vector.data) d->grad_score_vector.data = vectors;
    if (d->grad_bias.data) d->grad_bias.data = bias + b * d->grad_bias.batch;
    run(d, "alone", p->seed);
    add_sums(&s[0], sinks);
    add_sums(&s[1], vectors);
    add_sums(&s[2], bias);
    add_sums(&s[3], slopes);
    free(slopes);
    free(sinks);
    free(vectors);
    free(bias);
}

static void check_untouched(const problem *p)
{
    for (int n = 0; n < WRITTEN; n++) {
        const array *a = &p->written[n];
        if (!(a->keys ? p->packs_keys : p->packs_queries)) continue;
        int64_t wide = a->heads * a->columns, last = rows_of(p, a->keys) - p->slack;
        for (int64_t k = 0; k < p->slack * wide; k++) {
            assert_true(p->data[READ + n][k] == UNTOUCHED);
            assert_true(p->data[READ + n][last * wide + k] == UNTOUCHED);
        }
    }
}

static void check_bits(uint64_t seed)
{
    problem *p = create(seed);
    attn_desc *d = &p->together;
    if (p->c->grad_bias) memset(d->grad_bias.data, 0, p->c->grad_bias_size * sizeof(float));
    if (d->grad_score_vector.data) memset(d->grad_score_vector.data, 0, (size_t)score_vector_floats(d) * sizeof(float));
    run(d, "together", seed);
    check_untouched(p);
    sums s[] = {begin_sums(d->grad_sinks, d->grad_sinks ? d->H : 0),
                begin_sums(d->grad_score_vector.data, score_vector_floats(d)),
                begin_sums(d->grad_bias.data, (int64_t)p->c->grad_bias_size),
                begin_sums(d->grad_alibi_slopes, d->grad_alibi_slopes ? d->H : 0)};
    for (int64_t b = 0; b < SEQUENCES; b++) {
        float *fresh[WRITTEN];
        attn_desc one = alone(p, b, fresh);
        run_alone(p, &one, b, s);
        compare_rows(p, b, fresh);
        compare_weights(p, b, &one);
        compare_column_sums(p, b, &one);
        for (int n = 0; n < WRITTEN; n++) free(fresh[n]);
    }
    const char *const names[] = {"grad_sinks", "grad_score_vector", "grad_bias", "grad_alibi_slopes"};
    for (int n = 0; n < 4; n++) check_sums(p, names[n], &s[n]);
    destroy(p);
}

static void sequences_have_the_bits_that_they_have_alone(void **state)
{
    (void)state;
    const grid_range seeds = grid_seeds(4000, 90);
    for (uint64_t seed = seeds.first; seed < seeds.last; seed++) check_bits(seed);
}

/* Of additive scores, and a sink: alone it once went as dot products, whose log-sum-exp is another by its last bit. */
static void a_sequence_without_keys_has_them_too(void **state)
{
    (void)state;
    check_bits(1000306);
    check_bits(1001221);
}

/* One long sequence among many short ones and empty ones: workspace and time follow the rows, not the longest. */
static void a_long_sequence_costs_the_others_nothing(void **state)
{
    (void)state;
    enum { MANY = 2000, LONG = 1000 };
    int64_t starts[MANY + 1] = {0};
    for (int64_t b = 0; b < MANY; b++) starts[b + 1] = starts[b] + (b == 1000 ? LONG : b % 2);
    attn_desc d;
    attn_desc_init(&d, sizeof d, MANY, 1, 1, starts[MANY], starts[MANY], 4, 4);
    float *rows = calloc((size_t)(4 * starts[MANY]), sizeof *rows),
          *out = calloc((size_t)(20 * starts[MANY]), sizeof *out);
    float *sums[4] = {out, out + 4 * d.T, out + 8 * d.T, out + 12 * d.T};
    d.q.data = d.k.data = d.v.data = d.grad_o.data = rows;
    d.o.data = sums[0], d.grad_q.data = sums[1], d.grad_k.data = sums[2], d.grad_v.data = sums[3],
    d.lse.data = out + 16 * d.T;
    d.query_starts = d.key_starts = starts;
    run(&d, "long", 0);
    const float *lse = d.lse.data;
    for (int64_t b = 0; b < MANY; b++)
        for (int64_t i = starts[b]; i < starts[b + 1]; i++)
            assert_true(fabs(lse[i] - log((double)(starts[b + 1] - starts[b]))) < 1e-5);
    free(rows);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequences_have_the_bits_that_they_have_alone),
        cmocka_unit_test(a_sequence_without_keys_has_them_too),
        cmocka_unit_test(a_long_sequence_costs_the_others_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
