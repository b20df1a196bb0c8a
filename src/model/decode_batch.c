#include "model/decode_batch.h"

#include "base/checked.h"
#include "base/status.h"

#include <stdlib.h>

/* The encoder's results live on one tape for the whole batch; the other one starts anew at each step. */
struct decode_workspace {
    tape *batch, *step;
};

typedef struct stepper {
    translator *model;
    tape *tape;
    transformer_cache *cache;
} stepper;

attn_status decode_workspace_create(decode_workspace **out, int threads)
{
    *out = NULL;
    decode_workspace *w = calloc(1, sizeof *w);
    if (!w) return status_fail(ATTN_ERROR_MEMORY, "no memory to decode");
    attn_status status = tape_create(&w->batch, TAPE_INFER, threads);
    if (!status) status = tape_create(&w->step, TAPE_INFER, threads);
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
    free(w);
}

int64_t decode_longest(const translator *m, int64_t source_length)
{
    int64_t positions = m->config.max_position_embeddings;
    int64_t generous = source_length > positions ? positions : 3 * source_length + 10;
    return generous < positions ? generous : positions;
}

static attn_status take_step(void *model, const int32_t *ids, const int64_t *from, const int64_t *sequence_of,
                             int64_t rows, int64_t position, float **logits)
{
    stepper *s = model;
    attn_status status = transformer_cache_reorder(s->cache, tape_threads(s->tape), from, sequence_of, rows);
    if (status) return status;
    tape_begin(s->tape, 0);
    tensor *y = translator_step(s->tape, s->model, s->cache, ids, rows, position, NULL);
    status = tape_status(s->tape);
    if (status) return status;
    *logits = y->value;
    return ATTN_OK;
}

/* The padded rectangle (batch, longest) on the tape's arena; NULL when memory is short. */
static int32_t *pad(tape *t, const translator *m, const token_list *sentences, int64_t batch, int64_t longest)
{
    size_t cells;
    if (!checked_mul((size_t)batch, (size_t)longest, &cells)) return NULL;
    int32_t *ids = arena_take_zeroed(tape_arena(t), cells, sizeof *ids);
    for (int64_t i = 0; ids && i < batch; i++) {
        for (int64_t j = 0; j < longest; j++) {
            ids[i * longest + j] = j < sentences[i].length ? sentences[i].ids[j] : m->config.pad_id;
        }
    }
    return ids;
}

attn_status decode_batch(decode_workspace *w, translator *m, const search_options *options, const token_list *sentences,
                         int64_t batch, hypothesis *results)
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

    tensor *memory = translator_encode(w->batch, m, ids, batch, longest, lengths, NULL);
    attn_status status = tape_status(w->batch);
    if (status) return status;
    stepper s = {m, w->step, NULL};
    status = transformer_cache_create(&s.cache, w->batch, &m->decoder_options, m->decoder, m->config.decoder_layers,
                                      memory, batch, lengths, options->beam, longest_target);
    if (status) return status;
    search_model model = {
        &s, take_step, m->config.decoder_vocab_size, m->config.decoder_start_id, m->config.eos_id, m->config.pad_id};
    status = search_decode(&model, options, batch, max_lengths, results);
    transformer_cache_destroy(s.cache);
    return status;
}
