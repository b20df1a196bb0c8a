#include "attention/forward_few.h"

#include "attention/elements.h"
#include "attention/staged_rows.h"
#include "attention/workspace_pieces.h"
#include "base/parallel.h"

#include <math.h>

/* Of fewer keys than LEAST_KEYS what goes before and after them takes longer than the products, and lanes pay from
 * LEAST_QUERIES on (bench_query_counts). */
#define LEAST_QUERIES 5
#define LEAST_KEYS 64

/* Numbers in a head's K of fp32 from which on memory is what a single query, which shares its keys with none, waits
 * for; nearer, forward_rows.c has less to do for it. */
#define FAR_NUMBERS (1 << 18)

/* Queries up to which rows pay: for more lanes are full enough, of narrower vectors sooner. The more dimensions, the
 * less is the sum across them that ends each score here; heads that share their keys are each on their own in lanes
 * (bench_query_counts; of 4 lanes nobody has measured it). */
static int64_t most_queries(const attn_desc *d)
{
    const int lanes = kernels_table()->lanes;
    const int64_t alone = d->D >= 64 ? 12 : 6, shared = d->D >= 128 ? 16 : d->D >= 64 ? 14 : 7;
    const int64_t most = d->H > d->HK ? shared : alone;
    if (lanes < 8) return LEAST_QUERIES - 1;
    return lanes == 8 && most > 12 ? 12 : most;
}

static bool may_go_few(const attn_desc *d)
{
    return d->dtype != ATTN_DTYPE_F64 && d->score == ATTN_SCORE_DOT && !d->score_function && !(d->dropout > 0) &&
           d->T > 0;
}

/* Whether a sequence of so many keys does; if it does, one of more keys does too. */
static bool goes_few(const attn_desc *d, int64_t keys)
{
    if (!may_go_few(d) || d->T > most_queries(d)) return false;
    const bool lone = d->T == 1 && d->H == d->HK && d->dtype == ATTN_DTYPE_F32;
    if (lone) return (double)keys * (double)d->D >= FAR_NUMBERS;
    return d->T < LEAST_QUERIES || keys >= LEAST_KEYS;
}

bool forward_goes_few(const attn_desc *d, int64_t b)
{
    return goes_few(d, d->key_lengths ? d->key_lengths[b] : d->S);
}

/* As many heads together as leave every worker some. */
static int64_t heads_together(const attn_desc *d)
{
    const int64_t group = d->H / d->HK, each = d->B * d->H / parallel_workers(&d->parallel);
    const int64_t most = each < group ? each : group;
    return most < 1 ? 1 : most < DECODE_ROWS ? most : DECODE_ROWS;
}

bool forward_few_plan(forward_few *x, const attn_desc *d, size_t *bytes)
{
    const bool packed = d->query_starts;
    int64_t rows = DECODE_ROWS, floats;
    *bytes = 0;
    if (packed ? !may_go_few(d) : !goes_few(d, d->S)) return true;
    x->heads = heads_together(d);
    if (!packed && x->heads * d->T < rows) rows = x->heads * d->T;
    if (!few_queries_plan(&x->few, d, d->dtype, rows, bytes)) return false;
    few_queries_measure(&x->few, d, d->dtype, (double)(d->key_starts ? 1 : d->B) * (double)d->S);
    return checked_mul_i64(rows, staged_row(d->DV), &floats) && workspace_add(bytes, floats, sizeof(float), &x->o) &&
           workspace_add(bytes, rows, sizeof(float), &x->largest) &&
           workspace_add(bytes, rows, sizeof(float), &x->sum) &&
           workspace_add(bytes, floats, sizeof(float), &x->all_o) &&
           workspace_add(bytes, rows, sizeof(float), &x->all_largest) &&
           workspace_add(bytes, rows, sizeof(float), &x->all_sum);
}

/* The rows of heads from `head` on, row n * T + i that of head n's query i, and what all chunks so far give them: O
 * divided by its sum, anything where that is 0. */
typedef struct few_rows {
    const attn_desc *d;
    int64_t b, head, rows, o_row;
    float *o, *largest, *sum;
} few_rows;

/* Without any key, but with the sinks; one that is no number spoils its rows. */
static void begin_rows(const few_rows *r)
{
    for (int64_t m = 0; m < r->rows; m++) {
        const float sink = r->d->sinks ? r->d->sinks[r->head + m / r->d->T] : -INFINITY;
        r->largest[m] = sink, r->sum[m] = forward_sink_sum(sink);
        for (int64_t c = 0; c < r->d->DV; c++) r->o[m * r->o_row + c] = 0 * r->sum[m];
    }
}

/* A chunk's part joins row m; to a row without any key yet it goes as it is, so that chunks which nobody sees change no
 * bit. */
static void join_row(const few_rows *r, const few_part *part, int64_t m)
{
    if (part->sum[m] == 0) return;
    const bool first = r->sum[m] == 0;
    const float largest = first ? part->largest[m] : fmaxf(r->largest[m], part->largest[m]);
    const float base = largest == -INFINITY ? 0 : largest;
    const float before = first ? 0 : r->sum[m] * expf(r->largest[m] - base);
    const float more = first ? part->sum[m] : part->sum[m] * expf(part->largest[m] - base);
    const float sum = before + more, shrink = before / sum, weight = more / sum;
    float *o = r->o + m * r->o_row;
    const float *joins = part->o + m * r->o_row;
    r->largest[m] = largest, r->sum[m] = sum;
    for (int64_t c = 0; c < r->d->DV; c++) o[c] = first ? joins[c] : o[c] * shrink + joins[c] * weight;
}

/* All chunks from the place's on, one after another. */
static void run_chunks(const forward_few *x, few_place *place, const few_part *part, const few_rows *all, char *piece)
{
    begin_rows(all);
    for (; place->first < place->seen.last; place->first += DECODE_CHUNK) {
        few_queries_run(&x->few, place, part, piece);
        for (int64_t m = 0; m < all->rows; m++) join_row(all, part, m);
    }
}

/* Head n's rows to where they belong. */
static void write_head(const few_rows *r, const kernel_table *table, int64_t n)
{
    const attn_desc *d = r->d;
    float *rows = r->o + n * d->T * r->o_row;
    for (int64_t i = 0; i < d->T; i++) {
        const int64_t m = n * d->T + i;
        const bool any = r->sum[m] != 0;
        float *o = rows + i * r->o_row, *lse = output_at(&d->lse, r->b, r->head + n, i);
        float *out = staged_type(d->dtype) ? o : output_at(&d->o, r->b, r->head + n, i);
        for (int64_t c = 0; c < d->DV; c++) out[c] = any ? o[c] : 0;
        if (lse) *lse = r->largest[m] + logf(r->sum[m]);
    }
    if (staged_type(d->dtype)) staged_rows_write(table, d->dtype, rows, &d->o, r->b, r->head + n, 0, d->T, d->DV);
}

/* As many of these as the kernel takes rows of, in even parts. */
static int64_t heads_of(const forward_few *x, const attn_desc *d)
{
    const int64_t most = DECODE_ROWS / d->T, parts = (x->heads + most - 1) / most;
    return (x->heads + parts - 1) / parts;
}

void forward_few_run(const forward_few *x, const attn_desc *d, int64_t b, int64_t h, char *piece)
{
    const int64_t group = d->H / d->HK, most = heads_of(x, d), n = h % group, row = staged_row(d->DV);
    if (n % most) return;
    const attn_cache keys = {.dtype = d->dtype,
                             .B = d->B,
                             .HK = d->HK,
                             .S = d->S,
                             .D = d->D,
                             .DV = d->DV,
                             .k = {(void *)(uintptr_t)d->k.data, d->k.batch, d->k.head, d->k.row}, /* read alone */
                             .v = {(void *)(uintptr_t)d->v.data, d->v.batch, d->v.head, d->v.row}};
    const int64_t heads = group - n < most ? group - n : most;
    const few_part part = {.o = (float *)(piece + x->o),
                           .largest = (float *)(piece + x->largest),
                           .sum = (float *)(piece + x->sum),
                           .o_head = d->T * row,
                           .o_row = row,
                           .sum_head = d->T,
                           .sum_row = 1};
    few_place place = {.d = d, .c = &keys, .b = b, .head = h, .heads = heads, .seen = visible_keys_of(d, b, 0, d->T)};
    place.first = place.seen.first / DECODE_CHUNK * DECODE_CHUNK;
    const bool one = place.seen.last <= place.first + DECODE_CHUNK && !d->sinks; /* chunk, which nothing joins */
    const few_rows all = {.d = d,
                          .b = b,
                          .head = h,
                          .rows = heads * d->T,
                          .o_row = row,
                          .o = (float *)(piece + (one ? x->o : x->all_o)),
                          .largest = (float *)(piece + (one ? x->largest : x->all_largest)),
                          .sum = (float *)(piece + (one ? x->sum : x->all_sum))};
    if (one)
        few_queries_run(&x->few, &place, &part, piece);
    else
        run_chunks(x, &place, &part, &all, piece);
    for (int64_t m = 0; m < heads; m++) write_head(&all, x->few.table, m);
}
