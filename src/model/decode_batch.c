#include "model/decode_batch.h"

#include "base/checked.h"
#include "base/status.h"

#include <stdlib.h>

/* The encoder's results live on one tape for the whole batch; the others start anew at each step, and for each part of
 * a step's rows whose logits are asked for. */
struct decode_workspace {
    tape *batch, *step, *logits;
};

typedef struct stepper {
    const seq2seq *model;
    decode_workspace *workspace;
    void *decoding;
    tensor *hidden; /* of the last step's rows */
} stepper;

attn_status decode_workspace_create(decode_workspace **out, int threads)
{
    *out = NULL;
    decode_workspace *w = calloc(1, sizeof *w);
    if (!w) return status_fail(ATTN_ERROR_MEMORY, "no memory to decode");
    attn_status status = tape_create(&w->batch, TAPE_INFER, threads);
    if (!status) status = tape_create(&w->step, TAPE_INFER, threads);
    if (!status) status = tape_create(&w->logits, TAPE_INFER, threads);
    if (status) {
        decode_workspace_destroy(w);
        return status;
    }
    *out = w;
    return ATTN_OK;
}

void decode_workspace_destroy(decode_workspace *w)
{
    if (!w) return;
    tape_destroy(w->batch);
    tape_destroy(w->step);
    tape_destroy(w->logits);
    free(w);
}

/* What the model can write, or was told to. */
static int64_t longest_of_model(const seq2seq *m)
{
    const int64_t positions = m->sizes.max_positions, told = m->generation.max_length;
    return told > 1 && told - 1 < positions ? told - 1 : positions;
}

int64_t decode_longest(const seq2seq *m, int64_t source_length)
{
    const int64_t positions = longest_of_model(m);
    int64_t generous = source_length > positions ? positions : 3 * source_length + 10;
    return generous < positions ? generous : positions;
}

static attn_status take_step(void *model, const int32_t *ids, const int64_t *from, const int64_t *sequence_of,
                             int64_t rows, int64_t position)
{
    stepper *s = model;
    const seq2seq *m = s->model;
    tape *t = s->workspace->step;
    tape_begin(t, 0);
    s->hidden = m->family->step(t, m->network, s->decoding, ids, from, sequence_of, rows, position);
    return tape_status(t);
}

static attn_status give_logits(void *model, const int64_t *rows, int64_t count, float **logits)
{
    const stepper *s = model;
    tape *t = s->workspace->logits;
    tape_begin(t, 0);
    *logits = s->model->family->project(t, s->model->network, tape_take_rows(t, s->hidden, rows, count))->value;
    return tape_status(t);
}

/* The padded rectangle (batch, longest) on the tape's arena; NULL when memory is short. */
static int32_t *pad(tape *t, const seq2seq *m, const token_list *sentences, int64_t batch, int64_t longest)
{
    size_t cells;
    if (!checked_mul((size_t)batch, (size_t)longest, &cells)) return NULL;
    int32_t *ids = arena_take_zeroed(tape_arena(t), cells, sizeof *ids);
    for (int64_t i = 0; ids && i < batch; i++) {
        for (int64_t j = 0; j < longest; j++) {
            ids[i * longest + j] = j < sentences[i].length ? sentences[i].ids[j] : m->sizes.pad_id;
        }
    }
    return ids;
}

attn_status decode_batch(decode_workspace *w, const seq2seq *m, const search_options *options,
                         const token_list *sentences, int64_t batch, hypothesis *results)
{
    tape_begin(w->batch, 0);
    arena *a = tape_arena(w->batch);
    int64_t *lengths = arena_take_zeroed(a, (size_t)batch, sizeof *lengths);
    int64_t *max_lengths = arena_take_zeroed(a, (size_t)batch, sizeof *max_lengths);
    if (!lengths || !max_lengths)
        return status_fail(ATTN_ERROR_MEMORY, "no memory for %lld sentences", (long long)batch);
    int64_t longest = 0, longest_target = 0;
    for (int64_t i = 0; i < batch; i++) {
        lengths[i] = sentences[i].length;
        max_lengths[i] = decode_longest(m, lengths[i]);
        longest = lengths[i] > longest ? lengths[i] : longest;
        longest_target = max_lengths[i] > longest_target ? max_lengths[i] : longest_target;
    }
    int32_t *ids = pad(w->batch, m, sentences, batch, longest);
    if (!ids) return status_fail(ATTN_ERROR_MEMORY, "no memory for %lld sentences", (long long)batch);

    const source_batch source = {ids, batch, longest, lengths};
    const seq2seq_sizes *n = &m->sizes;
    stepper s = {.model = m, .workspace = w};
    attn_status status = m->family->begin(&s.decoding, w->batch, m->network, &source, options->beam, longest_target);
    if (status) return status;
    search_model model = {&s,          take_step, give_logits, n->target_vocabulary,
                          n->start_id, n->eos_id, n->pad_id,   m->generation.limits};
    model.limits.last_length = longest_of_model(m) + 1; /* the start is counted */
    return search_decode(&model, options, batch, max_lengths, results);
}
