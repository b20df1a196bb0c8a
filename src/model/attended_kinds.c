#include "model/attended_kinds.h"

#include "base/checked.h"
#include "base/status.h"
#include "model/attention_pass.h"

#include <stdlib.h>

#define KINDS 3
#define MOST_WEIGHTS ((int64_t)1 << 27)

/* The public array comes first: its address is the block's. */
typedef struct attended {
    attn_seq_attention kinds[KINDS]; /* cross, encoder, decoder */
    float *weights[KINDS];
    const char **source_labels, **target_labels, **earlier_labels;
} attended;

static bool count_kind(attended_layers of, int64_t cells, int64_t *count)
{
    return checked_mul_i64(of.layers * of.heads, cells, count);
}

static bool count_weights(const seq2seq_sizes *n, int64_t S, int64_t T, int64_t counts[KINDS])
{
    if (S > MOST_WEIGHTS || T > MOST_WEIGHTS) return false;
    bool fits = count_kind(n->cross, T * S, &counts[0]) && count_kind(n->encoder, S * S, &counts[1]) &&
                count_kind(n->decoder, T * T, &counts[2]);
    return fits && counts[0] <= MOST_WEIGHTS && counts[1] <= MOST_WEIGHTS && counts[2] <= MOST_WEIGHTS &&
           counts[0] + counts[1] + counts[2] <= MOST_WEIGHTS;
}

void attended_kinds_free(const attn_seq_attention *attention)
{
    attended *a = (attended *)attention;
    if (!a) return;
    for (int i = 0; i < KINDS; i++) free(a->weights[i]);
    free(a->source_labels);
    free(a->target_labels);
    free(a->earlier_labels);
    free(a);
}

static attended *create(int64_t S, int64_t T, const int64_t counts[KINDS])
{
    attended *a = calloc(1, sizeof *a);
    if (!a) return NULL;
    for (int i = 0; i < KINDS; i++) a->weights[i] = calloc((size_t)counts[i] + 1, sizeof(float));
    a->source_labels = calloc((size_t)S, sizeof(char *));
    a->target_labels = calloc((size_t)T, sizeof(char *));
    a->earlier_labels = calloc((size_t)T, sizeof(char *));
    if (a->weights[0] && a->weights[1] && a->weights[2] && a->source_labels && a->target_labels && a->earlier_labels)
        return a;
    attended_kinds_free(a->kinds);
    return NULL;
}

/* Kinds that the network has no layer of are left out: cross, encoder, decoder, as far as they are there. */
static size_t describe(attended *a, const seq2seq_sizes *n, int64_t S, int64_t T)
{
    const attended_layers of[KINDS] = {n->cross, n->encoder, n->decoder};
    const int64_t rows[KINDS] = {T, S, T}, columns[KINDS] = {S, S, T};
    const char **const row_labels[KINDS] = {a->target_labels, a->source_labels, a->target_labels};
    const char **const column_labels[KINDS] = {a->source_labels, a->source_labels, a->earlier_labels};
    size_t count = 0;
    for (int k = 0; k < KINDS; k++) {
        if (of[k].layers == 0) continue;
        a->kinds[count++] = (attn_seq_attention){.kind = (attn_seq_attention_kind)k,
                                                 .layers = of[k].layers,
                                                 .heads = of[k].heads,
                                                 .rows = rows[k],
                                                 .columns = columns[k],
                                                 .weights = a->weights[k],
                                                 .row_labels = row_labels[k],
                                                 .column_labels = column_labels[k]};
    }
    return count;
}

/* The labels belong to the model's tokenizer. A step of the decoder sees the tokens before the one it chooses. */
static void label(attended *a, const tokenizer *k, const token_list *source, const token_list *target, int64_t s,
                  int64_t d)
{
    for (int64_t j = 0; j < source->length; j++)
        a->source_labels[s + j] = tokenizer_piece(k, TOKENIZER_SOURCE, source->ids[j]);
    for (int64_t i = 0; i < target->length; i++) {
        a->target_labels[d + i] = tokenizer_piece(k, TOKENIZER_TARGET, target->ids[i]);
        a->earlier_labels[d + i] = i ? a->target_labels[d + i - 1] : "<s>";
    }
}

attn_status attended_kinds(attn_seq_hypothesis *h, const attn_seq_model *model, const token_list *sources,
                           const token_list *targets, int64_t parts, tape *t)
{
    const seq2seq_sizes *n = &model->seq2seq.sizes;
    int64_t counts[KINDS], S = h->source_length, T = h->target_length;
    if (!count_weights(n, S, T, counts))
        return status_fail(ATTN_ERROR_UNSUPPORTED,
                           "translated without attention weights: %lld and %lld pieces have more than 2^27",
                           (long long)S, (long long)T);
    attended *a = create(S, T, counts);
    if (!a) return status_fail(ATTN_ERROR_MEMORY, "no memory for attention weights");
    h->attention = a->kinds;
    h->attention_count = describe(a, n, S, T);
    attend_block block = {.source_total = S, .target_total = T};
    for (int64_t p = 0; p < parts; p++) {
        label(a, model->tokenizer, &sources[p], &targets[p], block.source_offset, block.target_offset);
        attn_status status = attend_part(t, &model->seq2seq, sources[p], targets[p], &block, a->weights[1],
                                         a->weights[2], a->weights[0]);
        if (status) return status;
        block.source_offset += sources[p].length;
        block.target_offset += targets[p].length;
    }
    return ATTN_OK;
}
