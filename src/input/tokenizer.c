#define _GNU_SOURCE /* asprintf */
#include "input/tokenizer.h"

#include "base/status.h"
#include "base/utf8.h"
#include "input/marian_tokenizer.h"
#include "input/token_pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* One of the two; the other is NULL. */
struct tokenizer {
    marian_tokenizer *marian;
    token_pipeline *pipeline;
};

static attn_status open_marian(tokenizer *k, const char *directory, const char *path)
{
    (void)path;
    return marian_tokenizer_open(&k->marian, directory);
}

static attn_status open_bert(tokenizer *k, const char *directory, const char *path)
{
    (void)path;
    return token_pipeline_open_bert(&k->pipeline, directory);
}

static attn_status open_bart(tokenizer *k, const char *directory, const char *path)
{
    (void)path;
    return token_pipeline_open_bart(&k->pipeline, directory);
}

static attn_status open_pipeline(tokenizer *k, const char *directory, const char *path)
{
    (void)directory;
    return token_pipeline_open(&k->pipeline, path);
}

/* By the file that tells them, the first that is there. */
static const struct {
    const char *file;
    attn_status (*open)(tokenizer *k, const char *directory, const char *path);
} kinds[] = {
    {"source.spm", open_marian},
    {"tokenizer.json", open_pipeline},
    {"vocab.txt", open_bert},
    {"merges.txt", open_bart},
};

static attn_status open_files(tokenizer *k, const char *directory)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char *path;
        if (asprintf(&path, "%s/%s", directory, kinds[i].file) < 0)
            return status_fail(ATTN_ERROR_MEMORY, "%s: out of memory", directory);
        const bool there = access(path, F_OK) == 0;
        attn_status s = there ? kinds[i].open(k, directory, path) : ATTN_OK;
        free(path);
        if (there) return s;
    }
    return status_fail(ATTN_ERROR_FILE,
                       "%s: no tokenizer: expected source.spm, tokenizer.json, vocab.txt or merges.txt", directory);
}

attn_status tokenizer_open(tokenizer **out, const char *directory)
{
    *out = NULL;
    tokenizer *k = calloc(1, sizeof *k);
    if (!k) return status_fail(ATTN_ERROR_MEMORY, "%s: out of memory", directory);
    attn_status s = open_files(k, directory);
    if (s != ATTN_OK) {
        tokenizer_destroy(k);
        return s;
    }
    *out = k;
    return ATTN_OK;
}

void tokenizer_destroy(tokenizer *k)
{
    if (!k) return;
    marian_tokenizer_destroy(k->marian);
    token_pipeline_destroy(k->pipeline);
    free(k);
}

attn_status tokenizer_encode(const tokenizer *k, tokenizer_side side, const char *text, size_t bytes, int32_t **ids,
                             int64_t *count)
{
    id_list l = {0};
    if (!utf8_valid(text, bytes)) return status_fail(ATTN_ERROR_FORMAT, "text is not valid UTF-8");
    attn_status s = k->marian ? marian_tokenizer_encode(k->marian, side, text, bytes, &l)
                              : token_pipeline_encode(k->pipeline, text, bytes, &l);
    if (s == ATTN_OK && l.failed) s = status_fail(ATTN_ERROR_MEMORY, "tokenizing: out of memory");
    if (s != ATTN_OK) {
        free(l.ids);
        return s;
    }
    *ids = l.ids;
    *count = l.count;
    return ATTN_OK;
}

int64_t tokenizer_shorten(const tokenizer *k, int32_t *ids, int64_t count, int64_t most)
{
    if (count <= most) return count;
    const int64_t after = k->marian ? 1 : k->pipeline->around.after_count;
    for (int64_t i = after < most ? after : most; i > 0; i--) ids[most - i] = ids[count - i];
    return most;
}

attn_status tokenizer_decode(const tokenizer *k, const int32_t *ids, int64_t count, char **text)
{
    return k->marian ? marian_tokenizer_decode(k->marian, ids, count, text)
                     : token_pipeline_decode(k->pipeline, ids, count, text);
}

const char *tokenizer_piece(const tokenizer *k, tokenizer_side side, int32_t id)
{
    const char *piece = k->marian ? marian_tokenizer_piece(k->marian, side, id) : token_pipeline_shown(k->pipeline, id);
    return piece ? piece : "<unk>";
}

int32_t tokenizer_find(const tokenizer *k, tokenizer_side side, const char *piece)
{
    return k->marian ? marian_tokenizer_find(k->marian, side, piece) : token_pipeline_find(k->pipeline, piece);
}

bool tokenizer_is_special(const tokenizer *k, tokenizer_side side, int32_t id)
{
    return k->marian ? marian_tokenizer_is_special(k->marian, side, id) : token_pipeline_is_special(k->pipeline, id);
}

int64_t tokenizer_vocabulary(const tokenizer *k, tokenizer_side side)
{
    return k->marian ? marian_tokenizer_vocabulary(k->marian, side) : token_pipeline_size(k->pipeline);
}

int32_t tokenizer_unk_id(const tokenizer *k)
{
    return k->marian ? marian_tokenizer_unk_id(k->marian) : k->pipeline->unk;
}
