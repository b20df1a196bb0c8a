#include "input/token_pipeline.h"

#include "base/status.h"
#include "formats/config.h"
#include "input/nested_json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Bounds what a hostile file makes us allocate; far above any published vocabulary. */
#define MOST_PIECES (1 << 22)

static attn_status no_memory(const char *path)
{
    return status_fail(ATTN_ERROR_MEMORY, "%s: out of memory", path);
}

/* ---- Unigram: "vocab": [["<unk>", 0.0], ["▁the", -3.1], ...] -------------------------------------------------------
 */

static attn_status read_scored(const json_t *list, const char **names, double *scores, const char *path)
{
    const json_t *item;
    size_t i;
    json_array_foreach(list, i, item)
    {
        const json_t *score = json_array_get(item, 1);
        names[i] = json_string_value(json_array_get(item, 0));
        scores[i] = json_number_value(score);
        if (!names[i] || !json_is_number(score) || !isfinite(scores[i]))
            return nested_refuse(ATTN_ERROR_FORMAT, path, "model", "vocab", item, "a piece and its score");
    }
    return ATTN_OK;
}

static attn_status build_unigram(token_pipeline *p, const json_t *list, const char **names, double *scores,
                                 const char *path)
{
    attn_status s = read_scored(list, names, scores, path);
    if (s == ATTN_OK) s = vocabulary_create(&p->vocabulary, names, (int64_t)json_array_size(list), path);
    return s == ATTN_OK ? unigram_create(&p->unigram, p->vocabulary, scores, p->unk, path) : s;
}

static attn_status read_unigram(token_pipeline *p, const json_t *model, const char *path)
{
    const json_t *list;
    bool bytes;
    int64_t unk;
    attn_status s = nested_bool(path, "model", model, "byte_fallback", false, &bytes);
    if (s == ATTN_OK && bytes)
        s = status_fail(ATTN_ERROR_UNSUPPORTED, "%s: model: byte_fallback is true, expected false", path);
    if (s == ATTN_OK) s = nested_array(path, "model", model, "vocab", &list);
    const size_t count = json_array_size(s == ATTN_OK ? list : NULL);
    if (s == ATTN_OK && (count < 1 || count > MOST_PIECES))
        s = status_fail(ATTN_ERROR_FORMAT, "%s: model: vocab has %zu pieces, expected 1 to %d", path, count,
                        MOST_PIECES);
    if (s == ATTN_OK) s = nested_integer(path, "model", model, "unk_id", 0, (int64_t)count - 1, &unk);
    if (s != ATTN_OK) return s;
    p->unk = (int32_t)unk;
    p->model = PIPELINE_UNIGRAM;
    p->decoder = DECODE_METASPACE;
    const char **names = calloc(count, sizeof *names);
    double *scores = calloc(count, sizeof *scores);
    s = names && scores ? build_unigram(p, list, names, scores, path) : no_memory(path);
    free(names);
    free(scores);
    return s;
}

/* ---- the whole document --------------------------------------------------------------------------------------- */

static attn_status read_model(token_pipeline *p, const json_t *model, const char *path)
{
    static const char *const names[] = {"Unigram", NULL};
    int kind = 0;
    attn_status s = nested_type(path, "model", model, names, &kind);
    return s == ATTN_OK ? read_unigram(p, model, path) : s;
}

static attn_status read_document(token_pipeline *p, const json_t *root, const char *path)
{
    const json_t *added;
    attn_status s = normalizer_read(&p->normalizer, json_object_get(root, "normalizer"), path);
    if (s == ATTN_OK) s = word_splitter_read(&p->splitter, json_object_get(root, "pre_tokenizer"), path);
    if (s == ATTN_OK) s = token_template_read(&p->around, json_object_get(root, "post_processor"), path);
    if (s == ATTN_OK) s = nested_array(path, "tokenizer", root, "added_tokens", &added);
    if (s == ATTN_OK) s = added_tokens_read(&p->added, added, p->normalizer, path);
    return s == ATTN_OK ? read_model(p, json_object_get(root, "model"), path) : s;
}

/* Ids outside what the vocabulary and the added tokens hold would be read past an embedding's end. */
static attn_status check_template(const token_pipeline *p, const char *path)
{
    const int64_t size = token_pipeline_size(p);
    for (int i = 0; i < p->around.before_count + p->around.after_count; i++) {
        const int after = i - p->around.before_count;
        const int32_t id = after < 0 ? p->around.before[i] : p->around.after[after];
        if (id >= size)
            return status_fail(ATTN_ERROR_FORMAT, "%s: post_processor: id %d, expected less than %lld", path, (int)id,
                               (long long)size);
    }
    return ATTN_OK;
}

/* Takes the document, also on failure. */
static attn_status build(token_pipeline **out, config *document, const char *path)
{
    token_pipeline *p = calloc(1, sizeof *p);
    attn_status s = no_memory(path);
    if (p) {
        p->unk = -1;
        s = read_document(p, config_root(document), path);
    }
    if (s == ATTN_OK) s = check_template(p, path);
    config_destroy(document);
    if (s != ATTN_OK) {
        token_pipeline_destroy(p);
        return s;
    }
    *out = p;
    return ATTN_OK;
}

attn_status token_pipeline_open(token_pipeline **out, const char *path)
{
    *out = NULL;
    config *document;
    attn_status s = config_open(&document, path);
    return s == ATTN_OK ? build(out, document, path) : s;
}

attn_status token_pipeline_parse(token_pipeline **out, const char *json, size_t bytes, const char *name)
{
    *out = NULL;
    config *document;
    attn_status s = config_parse(&document, name, json, bytes);
    return s == ATTN_OK ? build(out, document, name) : s;
}
