#include "train/train_data.h"

#include "base/plural.h"
#include "base/status.h"
#include "train/model_directory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static attn_status read_pairs(pair_texts *p, const char *path, const char *target_path, notice_sink n)
{
    attn_status s = target_path ? pair_texts_read_aligned(p, path, target_path) : pair_texts_read_tsv(p, path);
    if (s != ATTN_OK) return s;
    if (p->count == 0) return status_fail(ATTN_ERROR_FORMAT, "%s: no sentence pairs in it", path);
    notice_tell(n, "%s: %lld sentence pair%s", path, (long long)p->count, plural(p->count));
    if (p->empty > 0)
        notice_tell(n, "%s: %lld line%s left out, a side is empty", path, (long long)p->empty, plural(p->empty));
    if (p->invalid > 0)
        notice_tell(n, "%s: %lld line%s left out, invalid UTF-8 or a NUL byte; the first is %s", path,
                    (long long)p->invalid, plural(p->invalid), p->first_invalid);
    return ATTN_OK;
}

static attn_status train_pieces(const pair_texts *p, const training_setup *setup, const train_data_form *form)
{
    const attn_seq_train_options *o = setup->options;
    attn_status s = model_directory_make_way(o->model, setup->replaces);
    if (s != ATTN_OK) return s;
    const char **lines = malloc(2 * (size_t)p->count * sizeof *lines);
    if (!lines) return status_fail(ATTN_ERROR_MEMORY, "out of memory for %lld pairs", (long long)p->count);
    for (int64_t i = 0; i < p->count; i++) {
        lines[2 * i] = p->source[i];
        lines[2 * i + 1] = p->target[i];
    }
    notice_tell(setup->notices, "learning %lld pieces from both sides", (long long)o->vocabulary);
    const uint32_t seed = (uint32_t)o->seed;
    s = form->bart_tokenizer ? tokenizer_train_style(TOKENIZER_BART, lines, 2 * p->count, o->vocabulary, seed, o->model)
                             : tokenizer_train(lines, 2 * p->count, o->vocabulary, seed, o->model);
    free(lines);
    return s;
}

static attn_status encode(token_pairs *out, const train_data *d, const pair_texts *texts, int64_t longest,
                          const char *path, notice_sink n)
{
    attn_status s = token_pairs_encode(out, d->tokenizer, texts, longest, d->policy);
    if (s != ATTN_OK) return s;
    if (out->cut > 0)
        notice_tell(n, "%s: %lld text%s cut after %lld pieces", path, (long long)out->cut, plural(out->cut),
                    (long long)longest);
    if (out->too_long > 0)
        notice_tell(n, "%s: %lld pair%s left out, a side has more than %lld pieces", path, (long long)out->too_long,
                    plural(out->too_long), (long long)longest);
    if (out->count == 0)
        return status_fail(ATTN_ERROR_FORMAT, "%s: every pair has more than %lld pieces on a side", path,
                           (long long)longest);
    notice_tell(n, "%s: %lld tokens", path, (long long)(out->source.start[out->count] + out->target.start[out->count]));
    return ATTN_OK;
}

/* FNV-1a over lengths and ids. */
static uint64_t hash_side(uint64_t h, const token_side *side, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        h = (h ^ (uint64_t)side->start[i + 1]) * 0x100000001b3u;
        for (int64_t j = side->start[i]; j < side->start[i + 1]; j++) h = (h ^ (uint32_t)side->ids[j]) * 0x100000001b3u;
    }
    return h;
}

static int64_t longest_of(const token_side *side, int64_t count)
{
    int64_t longest = 0;
    for (int64_t i = 0; i < count; i++) {
        if (token_side_length(side, i) > longest) longest = token_side_length(side, i);
    }
    return longest;
}

static attn_status load_training(train_data *d, const training_setup *setup, const train_data_form *form)
{
    const attn_seq_train_options *o = setup->options;
    const notice_sink n = setup->notices;
    pair_texts texts = {0};
    attn_status s = read_pairs(&texts, o->train, o->train_target, n);
    if (s == ATTN_OK && setup->begin && !o->from) s = train_pieces(&texts, setup, form);
    if (s == ATTN_OK) s = tokenizer_open(&d->tokenizer, setup->begin && o->from ? o->from : o->model);
    if (s == ATTN_OK) s = encode(&d->train, d, &texts, o->longest, o->train, n);
    pair_texts_clear(&texts);
    if (s != ATTN_OK) return s;
    d->longest_target = longest_of(&d->train.target, d->train.count);
    d->positions = longest_of(&d->train.source, d->train.count);
    if (d->positions < d->longest_target) d->positions = d->longest_target;
    /* Where texts are cut, positions are learned, and those beyond would stay as they began. */
    if (d->policy == LONG_SOURCES_LEFT_OUT) d->positions = (d->positions + 31) / 32 * 32;
    if (o->from) d->positions = o->longest; /* which the model has */
    uint64_t h = hash_side(0xcbf29ce484222325u, &d->train.source, d->train.count);
    d->fingerprint = hash_side(h, &d->train.target, d->train.count);
    return ATTN_OK;
}

attn_status train_data_load(train_data *out, const training_setup *setup, const train_data_form *form)
{
    const attn_seq_train_options *o = setup->options;
    const notice_sink notices = setup->notices;
    memset(out, 0, sizeof *out);
    out->policy = form->long_sources;
    /* Validation pairs first: a mistake in them is told before the long work. */
    attn_status s = o->valid ? read_pairs(&out->valid_texts, o->valid, o->valid_target, notices) : ATTN_OK;
    if (s == ATTN_OK) s = load_training(out, setup, form);
    if (s == ATTN_OK && o->valid) s = encode(&out->valid, out, &out->valid_texts, out->positions, o->valid, notices);
    return s;
}

void train_data_clear(train_data *d)
{
    tokenizer_destroy(d->tokenizer);
    token_pairs_clear(&d->train);
    token_pairs_clear(&d->valid);
    pair_texts_clear(&d->valid_texts);
    memset(d, 0, sizeof *d);
}
