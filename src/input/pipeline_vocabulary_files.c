#define _GNU_SOURCE /* asprintf */
#include "base/status.h"
#include "formats/config.h"
#include "formats/regular_file.h"
#include "input/decode_pieces.h"
#include "input/lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The files that came before tokenizer.json say less: what they leave out is fixed by the family. */

#define MOST_PIECES (1 << 22)

static attn_status no_memory(const char *path)
{
    return status_fail(ATTN_ERROR_MEMORY, "%s: out of memory", path);
}

/* ---- a file's lines ------------------------------------------------------------------------------------------------
 */

typedef struct line_list {
    text_buffer text; /* NUL-terminated, one after the other */
    size_t *place;
    int64_t count, capacity;
} line_list;

static void line_list_clear(line_list *l)
{
    text_clear(&l->text);
    free(l->place);
    *l = (line_list){0};
}

static bool add_line(line_list *l, const char *line)
{
    if (l->count == l->capacity) {
        int64_t capacity = l->capacity ? 2 * l->capacity : 1024;
        size_t *grown = realloc(l->place, (size_t)capacity * sizeof *grown);
        if (!grown) return false;
        l->place = grown;
        l->capacity = capacity;
    }
    l->place[l->count++] = l->text.size;
    text_append(&l->text, line, strlen(line) + 1);
    return !l->text.failed;
}

static attn_status read_lines(line_list *l, const char *path)
{
    lines *file;
    char *line;
    size_t bytes;
    attn_status s = regular_file_expect(path);
    if (s == ATTN_OK) s = lines_open(&file, path);
    if (s != ATTN_OK) return s;
    while ((s = lines_next(file, &line, &bytes)) == ATTN_OK && line) {
        if (strlen(line) != bytes || l->count == MOST_PIECES)
            s = status_fail(ATTN_ERROR_FORMAT, "%s:%lld: a NUL byte, or more than %d lines", path,
                            (long long)lines_number(file), MOST_PIECES);
        else if (!add_line(l, line))
            s = no_memory(path);
        if (s != ATTN_OK) break;
    }
    lines_close(file);
    return s;
}

static attn_status vocabulary_of_lines(vocabulary **out, const line_list *l, const char *path)
{
    const char **pieces = calloc((size_t)l->count + 1, sizeof *pieces);
    if (!pieces) return no_memory(path);
    for (int64_t i = 0; i < l->count; i++) pieces[i] = l->text.bytes + l->place[i];
    attn_status s = vocabulary_create(out, pieces, l->count, path);
    free(pieces);
    return s;
}

/* ---- what the family fixes -----------------------------------------------------------------------------------------
 */

/* Takes both documents. */
static attn_status read_steps(token_pipeline *p, json_t *normalizer, json_t *splitter, const char *path)
{
    attn_status s = normalizer_read(&p->normalizer, normalizer, path);
    if (s == ATTN_OK) s = word_splitter_read(&p->splitter, splitter, path);
    json_decref(normalizer);
    json_decref(splitter);
    return s;
}

/* Special tokens that the vocabulary has; `around` the text stand the first two. */
static attn_status add_specials(token_pipeline *p, const char *const *names, const char *path)
{
    for (int i = 0; names[i]; i++) {
        const int32_t id = vocabulary_find(p->vocabulary, names[i], strlen(names[i]));
        if (id < 0 && i < 2) return status_fail(ATTN_ERROR_FORMAT, "%s: piece \"%s\" is missing", path, names[i]);
        attn_status s = id < 0 ? ATTN_OK : added_tokens_add(&p->added, names[i], id, path);
        if (s != ATTN_OK) return s;
        if (i == 0) p->around.before[p->around.before_count++] = id;
        if (i == 1) p->around.after[p->around.after_count++] = id;
    }
    return ATTN_OK;
}

/* ---- BERT ----------------------------------------------------------------------------------------------------------
 */

typedef struct bert_settings {
    bool lower, chinese;
    json_t *strip_accents; /* true, false or null: as `lower` */
} bert_settings;

/* tokenizer_config.json, or BERT's own settings where it is not there. */
static attn_status read_settings(bert_settings *b, const char *directory)
{
    char *path;
    *b = (bert_settings){.lower = true, .chinese = true, .strip_accents = json_null()};
    if (asprintf(&path, "%s/tokenizer_config.json", directory) < 0) return no_memory(directory);
    config *f = NULL;
    attn_status s = access(path, F_OK) == 0 ? config_open(&f, path) : ATTN_OK;
    free(path);
    if (!f) return s;
    b->lower = config_bool_or(f, "do_lower_case", true);
    b->chinese = config_bool_or(f, "tokenize_chinese_chars", true);
    if (config_has(f, "strip_accents")) b->strip_accents = json_boolean(config_bool_or(f, "strip_accents", b->lower));
    s = config_status(f);
    config_destroy(f);
    return s;
}

static attn_status read_bert(token_pipeline *p, const char *directory, const char *path)
{
    static const char *const specials[] = {"[CLS]", "[SEP]", "[UNK]", "[PAD]", "[MASK]", NULL};
    bert_settings b;
    line_list list = {0};
    attn_status s = read_settings(&b, directory);
    if (s != ATTN_OK) return s;
    s = read_steps(p,
                   json_pack("{s:s, s:b, s:b, s:b, s:o}", "type", "BertNormalizer", "clean_text", 1,
                             "handle_chinese_chars", b.chinese, "lowercase", b.lower, "strip_accents", b.strip_accents),
                   json_pack("{s:s}", "type", "BertPreTokenizer"), path);
    if (s == ATTN_OK) s = read_lines(&list, path);
    if (s == ATTN_OK) s = vocabulary_of_lines(&p->vocabulary, &list, path);
    line_list_clear(&list);
    if (s == ATTN_OK) s = add_specials(p, specials, path);
    if (s != ATTN_OK) return s;
    p->unk = vocabulary_find(p->vocabulary, "[UNK]", 5);
    if (p->unk < 0) return status_fail(ATTN_ERROR_FORMAT, "%s: piece \"[UNK]\" is missing", path);
    p->model = PIPELINE_WORDPIECE;
    p->decoder = DECODE_WORDPIECE;
    p->tidy = true;
    p->wordpiece = (wordpiece){p->vocabulary, strdup("##"), 100, p->unk};
    p->inner_prefix = strdup("##");
    return p->wordpiece.prefix && p->inner_prefix ? ATTN_OK : no_memory(path);
}

/* ---- BART ----------------------------------------------------------------------------------------------------------
 */

/* A line holds two pieces; the first line may say "#version". */
static attn_status add_merges(token_pipeline *p, const line_list *list, const char *path)
{
    attn_status s = byte_pairs_create(&p->byte_pairs, p->vocabulary, list->count, p->unk, false, path);
    for (int64_t i = 0; i < list->count && s == ATTN_OK; i++) {
        const char *line = list->text.bytes + list->place[i], *space = strchr(line, ' ');
        if (strncmp(line, "#version", 8) == 0 || !*line) continue;
        if (!space || strchr(space + 1, ' '))
            return status_fail(ATTN_ERROR_FORMAT, "%s:%lld: expected two pieces, parted by a space", path,
                               (long long)i + 1);
        s = byte_pairs_add(p->byte_pairs, line, (size_t)(space - line), space + 1, strlen(space + 1));
    }
    return s;
}

static attn_status read_bart(token_pipeline *p, const char *directory, const char *path)
{
    static const char *const specials[] = {"<s>", "</s>", "<unk>", "<pad>", "<mask>", NULL};
    char *vocabulary_path;
    line_list list = {0};
    if (asprintf(&vocabulary_path, "%s/vocab.json", directory) < 0) return no_memory(path);
    attn_status s = read_steps(
        p, NULL, json_pack("{s:s, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", 0, "use_regex", 1), path);
    if (s == ATTN_OK) s = vocabulary_open(&p->vocabulary, vocabulary_path);
    if (s == ATTN_OK) s = add_specials(p, specials, vocabulary_path);
    if (s == ATTN_OK) s = read_lines(&list, path);
    if (s == ATTN_OK) s = add_merges(p, &list, path);
    line_list_clear(&list);
    free(vocabulary_path);
    if (s != ATTN_OK) return s;
    p->model = PIPELINE_BYTE_PAIRS;
    p->decoder = DECODE_BYTE_LEVEL;
    return decode_shown_pieces(p, path);
}

static attn_status open_with(token_pipeline **out, const char *directory, const char *file,
                             attn_status (*read)(token_pipeline *p, const char *directory, const char *path))
{
    char *path;
    *out = NULL;
    if (asprintf(&path, "%s/%s", directory, file) < 0) return no_memory(directory);
    token_pipeline *p = calloc(1, sizeof *p);
    attn_status s = no_memory(path);
    if (p) {
        p->unk = -1;
        s = read(p, directory, path);
    }
    free(path);
    if (s != ATTN_OK) {
        token_pipeline_destroy(p);
        return s;
    }
    *out = p;
    return ATTN_OK;
}

attn_status token_pipeline_open_bert(token_pipeline **out, const char *directory)
{
    return open_with(out, directory, "vocab.txt", read_bert);
}

attn_status token_pipeline_open_bart(token_pipeline **out, const char *directory)
{
    return open_with(out, directory, "merges.txt", read_bart);
}
