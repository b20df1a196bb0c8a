#include "input/token_pipeline.h"

#include "base/status.h"
#include "formats/config.h"
#include "input/decode_pieces.h"
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
    const char **names = calloc(count, sizeof *names);
    double *scores = calloc(count, sizeof *scores);
    s = names && scores ? build_unigram(p, list, names, scores, path) : no_memory(path);
    free(names);
    free(scores);
    return s;
}

/* ---- WordPiece and BPE: "vocab": {"the": 0, ...} --------------------------------------------------------------------
 */

static attn_status read_numbered(token_pipeline *p, const json_t *model, const char *path)
{
    const json_t *vocab = json_object_get(model, "vocab");
    if (!json_is_object(vocab)) return nested_refuse(ATTN_ERROR_FORMAT, path, "model", "vocab", vocab, "an object");
    return vocabulary_of_json(&p->vocabulary, vocab, path);
}

/* The id of the field's piece; -1 where the field is absent or null. */
static attn_status read_unknown(token_pipeline *p, const json_t *model, bool required, const char *path)
{
    const json_t *field = json_object_get(model, "unk_token");
    if (!required && (!field || json_is_null(field))) return ATTN_OK;
    const char *piece = json_string_value(field);
    if (piece) p->unk = vocabulary_find(p->vocabulary, piece, strlen(piece));
    if (p->unk >= 0) return ATTN_OK;
    return nested_refuse(ATTN_ERROR_FORMAT, path, "model", "unk_token", field, "a piece of the vocabulary");
}

static attn_status copy_field(char **to, const json_t *object, const char *field, const char *path)
{
    const char *text;
    attn_status s = nested_string(path, "model", object, field, &text);
    if (s != ATTN_OK) return s;
    *to = strdup(text);
    return *to ? ATTN_OK : no_memory(path);
}

static attn_status read_wordpiece(token_pipeline *p, const json_t *model, const char *path)
{
    p->model = PIPELINE_WORDPIECE;
    attn_status s = read_numbered(p, model, path);
    if (s == ATTN_OK) s = read_unknown(p, model, true, path);
    if (s == ATTN_OK) s = copy_field(&p->wordpiece.prefix, model, "continuing_subword_prefix", path);
    if (s == ATTN_OK)
        s = nested_integer(path, "model", model, "max_input_chars_per_word", 0, 1000, &p->wordpiece.most_characters);
    p->wordpiece.vocabulary = p->vocabulary;
    p->wordpiece.unk = p->unk;
    return s;
}

/* "a b", or ["a", "b"] as newer files have it. */
static attn_status read_merge(token_pipeline *p, const json_t *item, const char *path)
{
    const char *line = json_string_value(item), *space = line ? strchr(line, ' ') : NULL;
    const char *left = json_string_value(json_array_get(item, 0)), *right = json_string_value(json_array_get(item, 1));
    if (space && !strchr(space + 1, ' '))
        return byte_pairs_add(p->byte_pairs, line, (size_t)(space - line), space + 1, strlen(space + 1));
    if (left && right && json_array_size(item) == 2)
        return byte_pairs_add(p->byte_pairs, left, strlen(left), right, strlen(right));
    return nested_refuse(ATTN_ERROR_FORMAT, path, "model", "merges", item, "two pieces");
}

static attn_status read_merges(token_pipeline *p, const json_t *model, bool whole_words, const char *path)
{
    const json_t *merges, *item;
    size_t i;
    attn_status s = nested_array(path, "model", model, "merges", &merges);
    if (s == ATTN_OK)
        s = byte_pairs_create(&p->byte_pairs, p->vocabulary, (int64_t)json_array_size(merges), p->unk, whole_words,
                              path);
    json_array_foreach(merges, i, item)
    {
        if (s != ATTN_OK) break;
        s = read_merge(p, item, path);
    }
    return s;
}

/* What of BPE's options no byte-level model uses. */
static attn_status refuse_options(const json_t *model, const char *path)
{
    static const char *const affixes[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    static const char *const switches[] = {"byte_fallback", "fuse_unk"};
    for (int i = 0; i < 2; i++) {
        const json_t *affix = json_object_get(model, affixes[i]), *on = json_object_get(model, switches[i]);
        const char *text = json_string_value(affix);
        if (text && *text) return nested_refuse(ATTN_ERROR_UNSUPPORTED, path, "model", affixes[i], affix, "none");
        if (json_is_true(on)) return nested_refuse(ATTN_ERROR_UNSUPPORTED, path, "model", switches[i], on, "false");
    }
    return ATTN_OK;
}

static attn_status read_byte_pairs(token_pipeline *p, const json_t *model, const char *path)
{
    bool whole_words = false;
    p->model = PIPELINE_BYTE_PAIRS;
    attn_status s = refuse_options(model, path);
    if (s == ATTN_OK && !word_splitter_is_byte_level(p->splitter))
        s = status_fail(ATTN_ERROR_UNSUPPORTED, "%s: model: BPE without the pre_tokenizer ByteLevel", path);
    if (s == ATTN_OK) s = nested_bool(path, "model", model, "ignore_merges", false, &whole_words);
    if (s == ATTN_OK) s = read_numbered(p, model, path);
    if (s == ATTN_OK) s = read_unknown(p, model, false, path);
    return s == ATTN_OK ? read_merges(p, model, whole_words, path) : s;
}

/* ---- the whole document --------------------------------------------------------------------------------------- */

static attn_status read_model(token_pipeline *p, const json_t *model, const char *path)
{
    static const char *const names[] = {"Unigram", "WordPiece", "BPE", NULL};
    static attn_status (*const readers[])(token_pipeline *, const json_t *,
                                          const char *) = {read_unigram, read_wordpiece, read_byte_pairs};
    int kind = 0;
    attn_status s = nested_type(path, "model", model, names, &kind);
    return s == ATTN_OK ? readers[kind](p, model, path) : s;
}

static attn_status read_decoder(token_pipeline *p, const json_t *json, const char *path)
{
    static const char *const names[] = {"Metaspace", "WordPiece", "ByteLevel", NULL};
    static const pipeline_decoder decoders[] = {DECODE_METASPACE, DECODE_WORDPIECE, DECODE_BYTE_LEVEL};
    int kind = 0;
    if (!json || json_is_null(json)) return ATTN_OK;
    attn_status s = nested_type(path, "decoder", json, names, &kind);
    if (s != ATTN_OK) return s;
    p->decoder = decoders[kind];
    if (p->decoder == DECODE_BYTE_LEVEL) return decode_shown_pieces(p, path);
    if (p->decoder != DECODE_WORDPIECE) return ATTN_OK;
    s = nested_bool(path, "decoder", json, "cleanup", true, &p->tidy);
    return s == ATTN_OK ? copy_field(&p->inner_prefix, json, "prefix", path) : s;
}

static attn_status read_document(token_pipeline *p, const json_t *root, const char *path)
{
    const json_t *added;
    attn_status s = normalizer_read(&p->normalizer, json_object_get(root, "normalizer"), path);
    if (s == ATTN_OK) s = word_splitter_read(&p->splitter, json_object_get(root, "pre_tokenizer"), path);
    if (s == ATTN_OK) s = token_template_read(&p->around, json_object_get(root, "post_processor"), path);
    if (s == ATTN_OK) s = nested_array(path, "tokenizer", root, "added_tokens", &added);
    if (s == ATTN_OK) s = added_tokens_read(&p->added, added, p->normalizer, path);
    if (s == ATTN_OK) s = read_model(p, json_object_get(root, "model"), path);
    return s == ATTN_OK ? read_decoder(p, json_object_get(root, "decoder"), path) : s;
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
