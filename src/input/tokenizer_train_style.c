#define _GNU_SOURCE /* asprintf */
#include "input/tokenizer.h"

#include "base/status.h"
#include "base/utf8.h"
#include "formats/json_file.h"
#include "input/normalizer.h"
#include "input/pieces.h"
#include "input/unicode_classes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPECIALS 4

static const struct style {
    const char *specials[SPECIALS]; /* by id */
    int unk, before, after;
    const char *roles; /* tokenizer_config.json: by id, which */
} styles[] = {
    [TOKENIZER_BERT] = {{"[PAD]", "[UNK]", "[CLS]", "[SEP]"}, 1, 2, 3, "pucs"},
    [TOKENIZER_BART] = {{"<s>", "<pad>", "</s>", "<unk>"}, 3, 0, 2, "bpeu"},
};

/* ---- the lines as the pieces will see them ------------------------------------------------------------------------
 */

static json_t *normalizer_json(bool lower)
{
    json_t *list = json_pack("[{s:s}]", "type", "NFKC");
    if (lower) json_array_append_new(list, json_pack("{s:s}", "type", "Lowercase"));
    return json_pack("{s:s, s:o}", "type", "Sequence", "normalizers", list);
}

/* Whether the lines are lower-cased ones: fewer than one letter in a thousand is a capital. */
static bool lower_cased(const char *const *lines, int64_t count)
{
    int64_t letters = 0, capitals = 0;
    for (int64_t i = 0; i < count; i++) {
        const size_t bytes = strlen(lines[i]);
        for (size_t at = 0; at < bytes;) {
            uint32_t c;
            at += utf8_next(lines[i] + at, bytes - at, &c);
            letters += is_letter(c);
            capitals += lower_case(c) != c;
        }
    }
    return 1000 * capitals < letters;
}

/* White space is what parts words, one space each time. */
static char *normalized_line(const normalizer *n, const char *line)
{
    text_buffer text = {0}, spaced = {0};
    text_append(&text, line, strlen(line));
    normalizer_run(n, &text);
    bool space = false;
    for (size_t at = 0; at < text.size;) {
        uint32_t c;
        at += utf8_next(text.bytes + at, text.size - at, &c);
        if (space && !is_white_space(c)) text_append(&spaced, " ", 1);
        space = is_white_space(c);
        if (!space) text_append_point(&spaced, c);
    }
    text_append(&spaced, "", 1);
    spaced.failed |= text.failed;
    text_clear(&text);
    if (spaced.failed) text_clear(&spaced);
    return spaced.bytes;
}

static attn_status train_pieces(pieces **out, const char *const *lines, int64_t count, const normalizer *n,
                                int64_t vocabulary, uint32_t seed)
{
    void *model = NULL;
    size_t bytes = 0;
    char **normal = calloc((size_t)count + 1, sizeof *normal);
    bool failed = !normal;
    for (int64_t i = 0; i < count && !failed; i++) failed = !(normal[i] = normalized_line(n, lines[i]));
    attn_status s =
        failed ? status_fail(ATTN_ERROR_MEMORY, "no memory to train a tokenizer")
               : pieces_train((const char *const *)normal, count, PIECES_IDENTITY, vocabulary, seed, &model, &bytes);
    if (s == ATTN_OK) s = pieces_parse(out, model, bytes, "the trained SentencePiece model");
    for (int64_t i = 0; normal && i < count; i++) free(normal[i]);
    free(normal);
    free(model);
    return s;
}

/* ---- writing ---------------------------------------------------------------------------------------------------- */

static json_t *added_json(const struct style *style)
{
    json_t *list = json_array();
    for (int i = 0; i < SPECIALS; i++)
        json_array_append_new(list,
                              json_pack("{s:i, s:s, s:b, s:b, s:b, s:b, s:b}", "id", i, "content", style->specials[i],
                                        "single_word", 0, "lstrip", 0, "rstrip", 0, "normalized", 0, "special", 1));
    return list;
}

/* A text's white space parts its words, each of which begins with SentencePiece's mark. */
static json_t *splitter_json(void)
{
    return json_pack("{s:s, s:[{s:s}, {s:s, s:s, s:s, s:b}]}", "type", "Sequence", "pretokenizers", "type",
                     "WhitespaceSplit", "type", "Metaspace", "replacement", "\xe2\x96\x81", "prepend_scheme", "always",
                     "split", 1);
}

static json_t *special_json(const char *name)
{
    return json_pack("{s:{s:s, s:i}}", "SpecialToken", "id", name, "type_id", 0);
}

static json_t *template_json(const struct style *style)
{
    const char *before = style->specials[style->before], *after = style->specials[style->after];
    json_t *a = json_pack("{s:{s:s, s:i}}", "Sequence", "id", "A", "type_id", 0);
    json_t *b = json_pack("{s:{s:s, s:i}}", "Sequence", "id", "B", "type_id", 1);
    json_t *end = json_pack("{s:{s:s, s:i}}", "SpecialToken", "id", after, "type_id", 1);
    return json_pack("{s:s, s:[o, o, o], s:[o, o, o, o, o], s:{s:{s:s, s:[i], s:[s]}, s:{s:s, s:[i], s:[s]}}}", "type",
                     "TemplateProcessing", "single", special_json(before), json_copy(a), special_json(after), "pair",
                     special_json(before), a, special_json(after), b, end, "special_tokens", before, "id", before,
                     "ids", style->before, "tokens", before, after, "id", after, "ids", style->after, "tokens", after);
}

static json_t *vocabulary_json(const struct style *style, const pieces *p)
{
    json_t *list = json_array();
    for (int i = 0; i < SPECIALS; i++) json_array_append_new(list, json_pack("[s, f]", style->specials[i], 0.0));
    for (int64_t id = 0; id < pieces_count(p); id++) {
        if (!pieces_is_special(p, id))
            json_array_append_new(list, json_pack("[s, f]", pieces_name(p, id), pieces_score(p, id)));
    }
    return list;
}

static json_t *tokenizer_json(const struct style *style, const pieces *p, bool lower)
{
    return json_pack("{s:s, s:n, s:n, s:o, s:o, s:o, s:o, s:{s:s, s:s, s:s, s:b}, s:{s:s, s:i, s:o, s:b}}", "version",
                     "1.0", "truncation", "padding", "added_tokens", added_json(style), "normalizer",
                     normalizer_json(lower), "pre_tokenizer", splitter_json(), "post_processor", template_json(style),
                     "decoder", "type", "Metaspace", "replacement", "\xe2\x96\x81", "prepend_scheme", "always", "split",
                     1, "model", "type", "Unigram", "unk_id", style->unk, "vocab", vocabulary_json(style, p),
                     "byte_fallback", 0);
}

static json_t *config_json(const struct style *style)
{
    static const struct {
        char role;
        const char *field;
    } fields[] = {{'b', "bos_token"}, {'e', "eos_token"}, {'p', "pad_token"},
                  {'u', "unk_token"}, {'c', "cls_token"}, {'s', "sep_token"}};
    json_t *json = json_pack("{s:s, s:[s, s], s:b}", "tokenizer_class", "PreTrainedTokenizerFast", "model_input_names",
                             "input_ids", "attention_mask", "clean_up_tokenization_spaces", 0);
    for (int i = 0; i < SPECIALS; i++) {
        for (size_t f = 0; f < sizeof fields / sizeof *fields; f++) {
            if (fields[f].role == style->roles[i])
                json_object_set_new(json, fields[f].field, json_string(style->specials[i]));
        }
    }
    return json;
}

/* Takes both. */
static attn_status save(json_t *tokenizer, json_t *settings, const char *directory)
{
    char *tokenizer_path = NULL, *settings_path = NULL;
    if (asprintf(&tokenizer_path, "%s/tokenizer.json", directory) < 0) tokenizer_path = NULL;
    if (asprintf(&settings_path, "%s/tokenizer_config.json", directory) < 0) settings_path = NULL;
    attn_status s = ATTN_OK;
    if (!tokenizer_path || !settings_path) {
        s = status_fail(ATTN_ERROR_MEMORY, "%s: no memory for its tokenizer", directory);
        json_decref(tokenizer);
    } else {
        s = json_file_save_compact(tokenizer, tokenizer_path);
    }
    if (s == ATTN_OK)
        s = json_file_save(settings, settings_path);
    else
        json_decref(settings);
    free(tokenizer_path);
    free(settings_path);
    return s;
}

attn_status tokenizer_train_style(tokenizer_style style, const char *const *lines, int64_t count, int64_t vocabulary,
                                  uint32_t seed, const char *directory)
{
    const bool lower = lower_cased(lines, count);
    normalizer *n = NULL;
    pieces *p = NULL;
    json_t *json = normalizer_json(lower);
    attn_status s = normalizer_read(&n, json, "tokenizer.json");
    json_decref(json);
    /* SentencePiece counts three special pieces of its own. */
    if (s == ATTN_OK) s = train_pieces(&p, lines, count, n, vocabulary - SPECIALS + 3, seed);
    if (s == ATTN_OK) s = tokenizer_remove(directory);
    if (s == ATTN_OK) s = save(tokenizer_json(&styles[style], p, lower), config_json(&styles[style]), directory);
    pieces_destroy(p);
    normalizer_destroy(n);
    return s;
}
