#include "model/translated_line.h"

#include "base/status.h"
#include "model/attention_pass.h"
#include "model/attended_kinds.h"
#include "model/word_alignment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Which of a part's hypotheses goes into the line's rank-th: its own rank-th, or its last where it has fewer. */
static const hypothesis *of_rank(const line_work *line, int64_t part, int64_t n_best, int64_t rank)
{
    const hypothesis *own = line->hypotheses + part * n_best;
    while (rank > 0 && !own[rank].ids) rank--;
    return &own[rank];
}

static int64_t count_ranks(const line_work *line, int64_t n_best)
{
    int64_t count = 1;
    for (int64_t p = 0; p < line->parts.count; p++) {
        for (int64_t rank = count; rank < n_best && line->hypotheses[p * n_best + rank].ids; rank++) count = rank + 1;
    }
    return count;
}

/* Joins the parts' texts, with a space where one stood in the source. A line feed would break the caller's lines. */
static attn_status join_texts(const attn_seq_model *model, const line_work *line, const token_list *targets,
                              char **text)
{
    size_t length = 0;
    *text = calloc(1, 1);
    for (int64_t p = 0; p < line->parts.count && *text; p++) {
        char *part, *grown;
        attn_status status = tokenizer_decode(model->tokenizer, targets[p].ids, targets[p].length, &part);
        if (status) return status;
        size_t bytes = strlen(part);
        grown = realloc(*text, length + bytes + 2);
        if (grown) {
            *text = grown;
            memcpy(grown + length, part, bytes);
            length += bytes;
            if (line->parts.items[p].space_after && p + 1 < line->parts.count) grown[length++] = ' ';
            grown[length] = 0;
        }
        free(part);
        if (!grown) return status_fail(ATTN_ERROR_MEMORY, "no memory for a translation of %zu bytes", length + bytes);
    }
    if (!*text) return status_fail(ATTN_ERROR_MEMORY, "no memory for a translation");
    for (char *c = *text; *c; c++) {
        if (*c == '\n' || *c == '\r') *c = ' ';
    }
    return ATTN_OK;
}

static attn_status fill(attn_seq_hypothesis *h, const attn_seq_model *model, const attn_seq_translate_options *options,
                        const line_work *line, const token_list *sources, const token_list *targets, tape *t)
{
    char *text = NULL;
    attn_status status = join_texts(model, line, targets, &text);
    h->text = text;
    int64_t parts = line->parts.count;
    if (!status && options->alignment) status = word_alignment(h, model, line, sources, targets, t);
    if (!status && options->attention && parts > 0) status = attended_kinds(h, model, sources, targets, parts, t);
    return status;
}

static attn_status make_hypothesis(attn_seq_hypothesis *h, const attn_seq_model *model,
                                   const attn_seq_translate_options *options, const line_work *line, int64_t rank,
                                   tape *t)
{
    int64_t parts = line->parts.count;
    token_list *lists = calloc((size_t)parts * 2 + 1, sizeof *lists);
    if (!lists) return status_fail(ATTN_ERROR_MEMORY, "no memory for %lld parts of a line", (long long)parts);
    token_list *sources = lists, *targets = lists + parts;
    for (int64_t p = 0; p < parts; p++) {
        const hypothesis *part = of_rank(line, p, options->n_best, rank);
        sources[p] = (token_list){line->parts.items[p].ids, line->parts.items[p].length};
        targets[p] = (token_list){part->ids, part->length};
        h->log_probability += (double)part->log_probability;
        h->source_length += sources[p].length;
        h->target_length += targets[p].length;
    }
    double length = h->target_length ? (double)h->target_length : 1;
    h->score = h->log_probability / pow(length, options->normalize);
    attn_status status = fill(h, model, options, line, sources, targets, t);
    free(lists);
    return status;
}

/* The line keeps its translation: only the weights that were asked for are not there. */
static attn_status tell_of_missing_weights(attn_seq_translation *out)
{
    char *message = strdup(status_message());
    if (!message) return status_fail(ATTN_ERROR_MEMORY, "no memory for a message");
    free((void *)out->message);
    out->message = message;
    out->status = ATTN_ERROR_UNSUPPORTED;
    return ATTN_OK;
}

/* Of several parts, ranks may change places once their lengths are summed. */
static int better_first(const void *a, const void *b)
{
    const attn_seq_hypothesis *x = a, *y = b;
    return x->score > y->score ? -1 : x->score < y->score;
}

attn_status translated_line_make(attn_seq_translation *out, const attn_seq_model *model,
                                 const attn_seq_translate_options *options, const line_work *line, tape *t)
{
    *out = (attn_seq_translation){.status = line->status, .message = strdup(line->message)};
    if (!out->message) return status_fail(ATTN_ERROR_MEMORY, "no memory for a message");
    if (line->status) return ATTN_OK;
    int64_t count = count_ranks(line, options->n_best);
    attn_seq_hypothesis *made = calloc((size_t)count, sizeof *made);
    if (!made) return status_fail(ATTN_ERROR_MEMORY, "no memory for %lld hypotheses", (long long)count);
    out->hypotheses = made;
    out->count = count;
    out->cut = line->parts.cut;
    attn_status status = ATTN_OK;
    for (int64_t rank = 0; rank < count && !status; rank++) {
        status = make_hypothesis(&made[rank], model, options, line, rank, t);
        if (status == ATTN_ERROR_UNSUPPORTED) status = tell_of_missing_weights(out);
    }
    if (!status && line->parts.count > 1) qsort(made, (size_t)count, sizeof *made, better_first);
    return status;
}

void translated_line_clear(attn_seq_translation *out)
{
    for (int64_t i = 0; i < out->count; i++) {
        const attn_seq_hypothesis *h = &out->hypotheses[i];
        free((void *)h->text);
        free((void *)h->alignment);
        attended_kinds_free(h->attention);
    }
    free((void *)out->hypotheses);
    free((void *)out->message);
    *out = (attn_seq_translation){0};
}
