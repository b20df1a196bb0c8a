#include "input/token_pipeline.h"

#include "base/status.h"
#include "input/decode_pieces.h"

#include <stdlib.h>
#include <string.h>

void token_pipeline_destroy(token_pipeline *p)
{
    if (!p) return;
    normalizer_destroy(p->normalizer);
    word_splitter_destroy(p->splitter);
    unigram_destroy(p->unigram);
    free(p->wordpiece.prefix);
    byte_pairs_destroy(p->byte_pairs);
    free(p->inner_prefix);
    free(p->shown);
    text_clear(&p->shown_text);
    vocabulary_destroy(p->vocabulary);
    added_tokens_clear(&p->added);
    free(p);
}

const char *token_pipeline_piece(const token_pipeline *p, int32_t id)
{
    const added_token *added = added_tokens_of_id(&p->added, id);
    return added ? added->content : vocabulary_piece(p->vocabulary, id);
}

int32_t token_pipeline_find(const token_pipeline *p, const char *piece)
{
    for (int64_t i = 0; i < p->added.count; i++) {
        if (strcmp(p->added.tokens[i].name, piece) == 0) return p->added.tokens[i].id;
    }
    return vocabulary_find(p->vocabulary, piece, strlen(piece));
}

bool token_pipeline_is_special(const token_pipeline *p, int32_t id)
{
    const added_token *added = added_tokens_of_id(&p->added, id);
    return id == p->unk || (added && added->special);
}

int64_t token_pipeline_size(const token_pipeline *p)
{
    int64_t size = vocabulary_size(p->vocabulary);
    for (int64_t i = 0; i < p->added.count; i++) {
        if (p->added.tokens[i].id >= size) size = p->added.tokens[i].id + 1;
    }
    return size;
}

/* ---- encoding --------------------------------------------------------------------------------------------------- */

typedef struct encoding {
    const token_pipeline *p;
    id_list *ids;
    bool begun; /* what follows is not the text's first character */
    attn_status status;
} encoding;

static void encode_word(void *argument, const char *word, size_t bytes)
{
    encoding *e = argument;
    switch (e->p->model) {
    case PIPELINE_UNIGRAM:
        unigram_encode(e->p->unigram, word, bytes, e->ids);
        break;
    case PIPELINE_WORDPIECE:
        wordpiece_encode(&e->p->wordpiece, word, bytes, e->ids);
        break;
    case PIPELINE_BYTE_PAIRS:
        byte_pairs_encode(e->p->byte_pairs, word, bytes, e->ids);
        break;
    }
}

/* Of normalized text. */
static void split_words(encoding *e, const char *text, size_t bytes)
{
    if (bytes == 0 || e->status != ATTN_OK) return;
    e->status = word_splitter_run(e->p->splitter, text, bytes, !e->begun, encode_word, e);
    e->begun = true;
}

static void encode_part(encoding *e, const char *text, size_t bytes, bool normalized);

/* Normalizes what stands between the tokens that are looked for in the text as it is. */
static void normalize_part(encoding *e, const char *text, size_t bytes)
{
    text_buffer normal = {0};
    text_append(&normal, text, bytes);
    normalizer_run(e->p->normalizer, &normal);
    e->begun |= normal.moved;
    if (normal.failed)
        e->ids->failed = true;
    else
        encode_part(e, normal.bytes, normal.size, true);
    text_clear(&normal);
}

/* Cuts the text at its added tokens: first those of the text as it is, then, in each part, those of the normalized. */
static void encode_part(encoding *e, const char *text, size_t bytes, bool normalized)
{
    size_t at = 0;
    added_match m;
    while (at < bytes && added_tokens_next(&e->p->added, text, bytes, at, normalized, &m)) {
        if (m.begin > at) (normalized ? split_words : normalize_part)(e, text + at, m.begin - at);
        id_list_append(e->ids, m.token->id);
        e->begun = true;
        at = m.end;
    }
    if (at < bytes) (normalized ? split_words : normalize_part)(e, text + at, bytes - at);
}

attn_status token_pipeline_encode(const token_pipeline *p, const char *text, size_t bytes, id_list *ids)
{
    encoding e = {.p = p, .ids = ids};
    for (int i = 0; i < p->around.before_count; i++) id_list_append(ids, p->around.before[i]);
    encode_part(&e, text, bytes, false);
    for (int i = 0; i < p->around.after_count; i++) id_list_append(ids, p->around.after[i]);
    if (e.status == ATTN_OK && ids->failed) return status_fail(ATTN_ERROR_MEMORY, "tokenizing: out of memory");
    return e.status;
}

/* ---- decoding --------------------------------------------------------------------------------------------------- */

attn_status token_pipeline_decode(const token_pipeline *p, const int32_t *ids, int64_t count, char **text)
{
    text_buffer joined = {0};
    bool first = true;
    for (int64_t i = 0; i < count; i++) {
        const char *piece = token_pipeline_is_special(p, ids[i]) ? NULL : token_pipeline_piece(p, ids[i]);
        if (!piece) continue;
        decode_piece(p, piece, first, &joined);
        first = false;
    }
    decode_end(p, &joined);
    text_append(&joined, "", 1);
    if (joined.failed) {
        text_clear(&joined);
        return status_fail(ATTN_ERROR_MEMORY, "joining pieces: out of memory");
    }
    *text = joined.bytes;
    return ATTN_OK;
}

const char *token_pipeline_shown(const token_pipeline *p, int32_t id)
{
    const char *piece = token_pipeline_piece(p, id);
    if (!piece || !p->shown || added_tokens_of_id(&p->added, id)) return piece;
    return p->shown[id];
}
