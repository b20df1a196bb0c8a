#include "model/word_alignment.h"

#include "base/checked.h"
#include "base/status.h"
#include "model/attention_pass.h"
#include "model/piece_words.h"

#include <stdlib.h>

/* The words of all pieces of a line, part after part. */
static int64_t number_words(const attn_seq_model *model, const line_work *line, tokenizer_side side,
                            const token_list *parts, int64_t *words)
{
    int64_t count = 0;
    int32_t eos = model->seq2seq.sizes.eos_id;
    for (int64_t p = 0, at = 0; p < line->parts.count; at += parts[p++].length) {
        bool fresh = p == 0 || line->parts.items[p - 1].space_after;
        piece_words(model->tokenizer, side, parts[p], eos, fresh, words + at, &count);
    }
    return count;
}

/* Adds one part's pieces to the words; each target word is to be the mean of its pieces. */
static void gather(const float *mean, token_list source, token_list target, const int64_t *source_words,
                   const int64_t *target_words, int64_t columns, float *alignment)
{
    for (int64_t i = 0; i < target.length; i++) {
        for (int64_t j = 0; j < source.length && target_words[i] >= 0; j++) {
            if (source_words[j] >= 0)
                alignment[target_words[i] * columns + source_words[j]] += mean[i * source.length + j];
        }
    }
}

static void divide_by_pieces(const attn_seq_hypothesis *h, const int64_t *target_words, float *alignment)
{
    for (int64_t i = 0; i < h->target_length;) {
        int64_t end = i + 1, word = target_words[i];
        while (end < h->target_length && target_words[end] == word) end++;
        for (int64_t j = 0; j < h->source_words && word >= 0; j++)
            alignment[word * h->source_words + j] /= (float)(end - i);
        i = end;
    }
}

static attn_status align(attn_seq_hypothesis *h, const attn_seq_model *model, const line_work *line,
                         const token_list *sources, const token_list *targets, int64_t *source_words,
                         int64_t *target_words, tape *t)
{
    h->source_words = number_words(model, line, TOKENIZER_SOURCE, sources, source_words);
    h->target_words = number_words(model, line, TOKENIZER_TARGET, targets, target_words);
    size_t cells;
    if (!checked_mul((size_t)h->source_words, (size_t)h->target_words, &cells))
        return status_fail(ATTN_ERROR_OVERFLOW, "a line of %lld words is too long to align",
                           (long long)h->source_words);
    float *alignment = calloc(cells + 1, sizeof *alignment);
    h->alignment = alignment;
    if (!alignment) return status_fail(ATTN_ERROR_MEMORY, "no memory for an alignment of %zu words", cells);
    for (int64_t p = 0, s = 0, d = 0; p < line->parts.count; p++) {
        float *mean = malloc((size_t)(sources[p].length * targets[p].length) * sizeof *mean);
        if (!mean) return status_fail(ATTN_ERROR_MEMORY, "no memory for an alignment");
        attn_status status = attend_alignment(t, &model->seq2seq, sources[p], targets[p], mean);
        if (!status)
            gather(mean, sources[p], targets[p], source_words + s, target_words + d, h->source_words, alignment);
        free(mean);
        if (status) return status;
        s += sources[p].length;
        d += targets[p].length;
    }
    divide_by_pieces(h, target_words, alignment);
    return ATTN_OK;
}

attn_status word_alignment(attn_seq_hypothesis *h, const attn_seq_model *model, const line_work *line,
                           const token_list *sources, const token_list *targets, tape *t)
{
    int64_t *source_words = calloc((size_t)h->source_length + 1, sizeof *source_words);
    int64_t *target_words = calloc((size_t)h->target_length + 1, sizeof *target_words);
    attn_status status = source_words && target_words
                             ? align(h, model, line, sources, targets, source_words, target_words, t)
                             : status_fail(ATTN_ERROR_MEMORY, "no memory for the words of a line");
    free(source_words);
    free(target_words);
    return status;
}
