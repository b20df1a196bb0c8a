#include "attention/forward_strip.h"

#include "attention/elements.h"
#include "attention/forward_ahead.h"
#include "attention/sequence.h"
#include "attention/staged_rows.h"
#include "attention/visible.h"

bool forward_goes_in_lanes(const attn_desc *d)
{
    return d->T > FORWARD_ROW_QUERIES && d->score != ATTN_SCORE_ADDITIVE;
}

/* Whether its products are those of bf16, without a stage but for V's pairs. */
static bool multiplies_pairs(const forward_plan *plan, const attn_desc *d)
{
    return d->dtype == ATTN_DTYPE_BF16 && forward_goes_in_lanes(d) && plan->table->forward_pairs.step;
}

/* Everything of one block but its keys: head h of sequence b, from query `first`. */
static forward_block block_at(const forward_plan *plan, const attn_desc *d, int64_t b, int64_t h, int64_t first,
                              char *piece, char *scratch)
{
    const int64_t queries = d->T - first < plan->block_queries ? d->T - first : plan->block_queries;
    const bool staged = staged_type(d->dtype), paired = multiplies_pairs(plan, d);
    staged_rows q = {NULL, d->q.row};
    if (!paired)
        q = staged_rows_read(plan->table, d->dtype, &d->q, b, h, first, queries, d->D, (float *)(piece + plan->q));
    return (forward_block){.queries = queries,
                           .D = d->D,
                           .DV = d->DV,
                           .scale = d->scale,
                           .softcap = d->softcap,
                           .q = q.data,
                           .q_bf16 = paired ? bf16_at(&d->q, b, h, first) : NULL,
                           .q_row = q.row,
                           .score_vector = view_at(&d->score_vector, 0, h, 0),
                           .sink = d->sinks ? d->sinks + h : NULL,
                           .o = staged ? (float *)(piece + plan->o) : output_at(&d->o, b, h, first),
                           .o_row = staged ? staged_row(d->DV) : d->o.row,
                           .lse = output_at(&d->lse, b, h, first),
                           .lse_row = d->lse.row,
                           .function = {.call = d->score_function,
                                        .user = d->score_user,
                                        .at = d->score_function ? visible_place(d, b, h, first, 0) : (attn_tile){0}},
                           .scratch = (float *)scratch};
}

/* Keys j .. j + keys - 1 of a key head, for products of pairs. */
static forward_chunk paired_chunk_at(const forward_plan *plan, const attn_desc *d, int64_t b, int64_t head, int64_t j,
                                     int64_t keys, char *piece)
{
    uint32_t *pairs = (uint32_t *)(piece + plan->v), *packed = (uint32_t *)(piece + plan->k);
    const uint16_t *k = bf16_at(&d->k, b, head, j);
    const bool as_it_stands = !plan->table->pack_keys;
    if (!as_it_stands) plan->table->pack_keys(k, d->k.row, keys, d->D, packed);
    plan->table->pack_values(bf16_at(&d->v, b, head, j), d->v.row, keys, d->DV, pairs);
    return (forward_chunk){.k_bf16 = as_it_stands ? k : (const uint16_t *)packed,
                           .k_row = d->k.row,
                           .v_pairs = pairs,
                           .v_row = d->DV,
                           .key = j,
                           .keys = keys};
}

/* The same for all others. */
static forward_chunk chunk_at(const forward_plan *plan, const attn_desc *d, int64_t b, int64_t head, int64_t j,
                              int64_t keys, char *piece)
{
    const staged_rows k =
        staged_rows_read(plan->table, d->dtype, &d->k, b, head, j, keys, d->D, (float *)(piece + plan->k));
    const staged_rows v =
        staged_rows_read(plan->table, d->dtype, &d->v, b, head, j, keys, d->DV, (float *)(piece + plan->v));
    return (forward_chunk){.k = k.data, .v = v.data, .k_row = k.row, .v_row = v.row, .key = j, .keys = keys};
}

typedef struct strip_block {
    forward_block block;
    int64_t first;      /* query */
    int64_t next, last; /* its next chunk's first key, INT64_MAX for none, and where its keys end */
} strip_block;

typedef struct strip {
    const forward_plan *plan;
    const attn_desc *d;
    int64_t b, h;
    char *piece;
    const forward_kernels *kernels;
    bool lanes, paired;
    strip_block blocks[FORWARD_STRIP];
    int count;
    forward_chunk staged; /* what the stages of K and V hold; no keys: nothing */
    lines_ahead ahead;    /* what to ask for in this step */
} strip;

/* To the block's first chunk with a key from j on that its queries may see. Chunks start at multiples of FORWARD_CHUNK
 * whatever the range, so that the bits of a window agree with those of a mask that says the same. */
static void seek_chunk(const strip *s, strip_block *x, int64_t j)
{
    j = j < x->last ? visible_next(s->d, s->b, s->h, x->first, x->block.queries, j) : INT64_MAX;
    x->next = j < x->last ? j - j % FORWARD_CHUNK : INT64_MAX;
}

static void begin_block(strip *s, int64_t first)
{
    strip_block *x = &s->blocks[s->count];
    x->block = block_at(s->plan, s->d, s->b, s->h, first, s->piece, s->piece + (size_t)s->count * s->plan->scratch);
    x->first = first;
    s->count++;
    s->kernels->begin(&x->block);
    const key_range keys = visible_keys_of(s->d, s->b, first, x->block.queries);
    x->last = keys.last;
    seek_chunk(s, x, keys.first);
}

/* The block whose next chunk comes first, NULL when all are done: a chunk serves all blocks before the next one. */
static strip_block *next_block(strip *s)
{
    strip_block *first = NULL;
    for (int n = 0; n < s->count; n++) {
        strip_block *x = &s->blocks[n];
        if (x->next < INT64_MAX && (!first || x->next < first->next)) first = x;
    }
    return first;
}

static int64_t chunk_keys(const strip_block *x, int64_t j)
{
    return x->last - j < FORWARD_CHUNK ? x->last - j : FORWARD_CHUNK;
}

/* The first step of a strip's first block. */
static step_place first_step(const forward_plan *plan, const strip_place *at)
{
    const attn_desc *d = at->d;
    const int64_t left = d->T - at->first, queries = left < plan->block_queries ? left : plan->block_queries;
    const key_range keys = visible_keys_of(d, at->b, at->first, queries);
    const int64_t key = keys.first - keys.first % FORWARD_CHUNK, behind = keys.last - key;
    const bool any = keys.first < keys.last;
    return (step_place){
        d, at->b, at->h, at->first, queries, key, !any ? 0 : behind < FORWARD_CHUNK ? behind : FORWARD_CHUNK};
}

/* Asks for what the step after the one at key j reads: block x's, or if that is NULL the next strip's first. */
static void ask_ahead(strip *s, const strip_block *x, int64_t j, const strip_place *next)
{
    s->ahead.count = 0;
    if (x) {
        const step_place step = {s->d, s->b, s->h, x->first, x->block.queries, x->next, chunk_keys(x, x->next)};
        forward_ahead_masks(&s->ahead, &step);
        if (x->next != j) forward_ahead_keys(&s->ahead, &step);
    } else if (next) {
        const step_place step = first_step(s->plan, next);
        forward_ahead_queries(&s->ahead, &step);
        forward_ahead_keys(&s->ahead, &step);
        forward_ahead_masks(&s->ahead, &step);
    }
    lines_ahead_turn(&s->ahead);
}

/* The block's chunk at key j. What another block staged of it serves if it ends at the same key: what stands behind its
 * end is not the chunk's. */
static void step_block(strip *s, const strip_block *x, int64_t j)
{
    const attn_desc *d = s->d;
    const int64_t keys = chunk_keys(x, j);
    const int64_t lanes = s->kernels->lanes, queries = x->block.queries;
    const int64_t query_step = s->lanes ? 1 : FORWARD_CHUNK;
    const int64_t key_step = s->lanes ? (queries + lanes - 1) / lanes * lanes : 1;
    char *changes = s->piece + s->plan->modification; /* bits, or what is added */
    float *modification = (float *)changes, *factors = (float *)(s->piece + s->plan->dropout);
    uint64_t *seen = (uint64_t *)changes;
    const bool bits = s->lanes && visible_has_bits(d, s->h);
    const visible_kind kind =
        bits ? visible_bits(d, s->b, s->h, x->first, queries, j, keys, seen)
             : visible_tile(d, s->b, s->h, x->first, queries, j, keys, modification, query_step, key_step);
    if (kind == VISIBLE_NONE) return;
    if (d->dropout > 0) {
        const dropout_draw draw = {.key = d->dropout_keys[s->b],
                                   .head = (uint32_t)s->h,
                                   .threshold = dropout_threshold(d->dropout),
                                   .kept_factor = 1 / (1 - d->dropout)};
        s->plan->table->dropout_factors(&draw,
                                        &(dropout_tile){x->first, queries, j, keys, factors, query_step, key_step});
    }
    if (s->staged.key != j || s->staged.keys != keys)
        s->staged =
            (s->paired ? paired_chunk_at : chunk_at)(s->plan, d, s->b, s->h / (d->H / d->HK), j, keys, s->piece);
    forward_chunk chunk = s->staged;
    chunk.modification = !bits && visible_modifies(kind) ? modification : NULL;
    chunk.masked = kind == VISIBLE_SOME;
    chunk.seen = bits && chunk.masked ? seen : NULL;
    chunk.dropout = d->dropout > 0 ? factors : NULL;
    chunk.ahead = &s->ahead;
    s->kernels->step(&x->block, &chunk);
}

static void finish_block(const strip *s, const strip_block *x)
{
    s->kernels->finish(&x->block);
    if (staged_type(s->d->dtype))
        staged_rows_write(s->plan->table, s->d->dtype, x->block.o, &s->d->o, s->b, s->h, x->first, x->block.queries,
                          s->d->DV);
}

void forward_strip(const forward_plan *plan, const strip_place *place, const strip_place *next, char *piece)
{
    const attn_desc *d = place->d;
    if (forward_goes_few(d, place->b)) {
        forward_few_run(&plan->few, d, place->b, place->h, piece);
        return;
    }
    const bool lanes = forward_goes_in_lanes(d), paired = multiplies_pairs(plan, d);
    strip s = {.plan = plan, .d = d, .b = place->b, .h = place->h, .piece = piece, .lanes = lanes, .paired = paired};
    s.kernels = paired ? &plan->table->forward_pairs : lanes ? &plan->table->forward_lanes : &plan->table->forward_rows;
    const int64_t last = d->T - place->first < plan->strip_queries ? d->T : place->first + plan->strip_queries;
    for (int64_t i = place->first; i < last; i += plan->block_queries) begin_block(&s, i);
    for (strip_block *x = next_block(&s), *then; x; x = then) {
        const int64_t j = x->next;
        seek_chunk(&s, x, j + FORWARD_CHUNK);
        then = next_block(&s);
        ask_ahead(&s, then, j, next);
        step_block(&s, x, j);
    }
    for (int n = 0; n < s.count; n++) finish_block(&s, &s.blocks[n]);
}
