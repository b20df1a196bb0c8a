#include "input/word_splitter.h"

#include "base/status.h"
#include "base/utf8.h"
#include "input/nested_json.h"
#include "input/text_buffer.h"
#include "input/unicode_classes.h"

#include <stdlib.h>
#include <string.h>

#define MOST_STEPS 16

typedef enum step_kind {
    STEP_BERT,
    STEP_WHITESPACE_SPLIT,
    STEP_METASPACE,
    STEP_BYTE_LEVEL,
    STEP_SEQUENCE /* not a step: a list of them */
} step_kind;

static const char *const step_names[] = {"BertPreTokenizer", "WhitespaceSplit", "Metaspace",
                                         "ByteLevel",        "Sequence",        NULL};

typedef enum prepend_scheme { PREPEND_ALWAYS, PREPEND_FIRST, PREPEND_NEVER } prepend_scheme;

typedef struct step {
    step_kind kind;
    bool prefix_space, regex; /* byte level */
    char *mark;               /* Metaspace */
    prepend_scheme prepend;   /* Metaspace */
    bool split;               /* Metaspace */
} step;

struct word_splitter {
    int count;
    step steps[MOST_STEPS];
};

/* ---- reading ---------------------------------------------------------------------------------------------------- */

/* Before tokenizers 0.14 `add_prefix_space` stood for what `prepend_scheme` says since. */
static attn_status read_metaspace(step *s, const json_t *json, const char *path)
{
    static const char *const schemes[] = {"always", "first", "never"};
    const char *mark, *scheme = json_string_value(json_object_get(json, "prepend_scheme"));
    bool prefix;
    attn_status status = nested_string(path, "pre_tokenizer: Metaspace", json, "replacement", &mark);
    if (status == ATTN_OK) status = nested_bool(path, "pre_tokenizer", json, "add_prefix_space", true, &prefix);
    if (status == ATTN_OK) status = nested_bool(path, "pre_tokenizer", json, "split", true, &s->split);
    if (status != ATTN_OK) return status;
    s->prepend = prefix ? PREPEND_ALWAYS : PREPEND_NEVER;
    for (int i = 0; scheme && i < 3; i++) {
        if (strcmp(scheme, schemes[i]) == 0) s->prepend = (prepend_scheme)i;
    }
    s->mark = strdup(mark);
    return s->mark ? ATTN_OK : status_fail(ATTN_ERROR_MEMORY, "%s: out of memory", path);
}

static attn_status read_step(step *s, const json_t *json, const char *path)
{
    if (s->kind == STEP_METASPACE) return read_metaspace(s, json, path);
    if (s->kind != STEP_BYTE_LEVEL) return ATTN_OK;
    attn_status status = nested_bool(path, "pre_tokenizer", json, "add_prefix_space", true, &s->prefix_space);
    return status == ATTN_OK ? nested_bool(path, "pre_tokenizer", json, "use_regex", true, &s->regex) : status;
}

static attn_status add_step(void *argument, const char *path, const json_t *json, int type)
{
    word_splitter *w = argument;
    if (w->count == MOST_STEPS)
        return status_fail(ATTN_ERROR_UNSUPPORTED, "%s: pre_tokenizer: more than %d steps", path, MOST_STEPS);
    step *s = &w->steps[w->count++];
    s->kind = (step_kind)type;
    return read_step(s, json, path);
}

attn_status word_splitter_read(word_splitter **out, const json_t *json, const char *path)
{
    word_splitter *w = *out = calloc(1, sizeof *w);
    if (!w) return status_fail(ATTN_ERROR_MEMORY, "%s: out of memory", path);
    const nested_steps steps = {path, "pre_tokenizer", "pretokenizers", step_names, STEP_SEQUENCE, add_step, w};
    attn_status status = nested_steps_read(&steps, json);
    if (status == ATTN_OK) return ATTN_OK;
    word_splitter_destroy(w);
    *out = NULL;
    return status;
}

void word_splitter_destroy(word_splitter *w)
{
    if (!w) return;
    for (int i = 0; i < w->count; i++) free(w->steps[i].mark);
    free(w);
}

bool word_splitter_is_byte_level(const word_splitter *w)
{
    return w->count > 0 && w->steps[w->count - 1].kind == STEP_BYTE_LEVEL;
}

/* ---- running: each step hands its words to the next, the last one to the caller -----------------------------------
 */

typedef struct split {
    const word_splitter *w;
    void (*each)(void *argument, const char *word, size_t bytes);
    void *argument;
    bool failed;
} split;

static void run_from(split *s, int index, const char *text, size_t bytes, bool first);

/* Words between white space; for BERT each sign of punctuation is a word of its own. */
static void split_words(split *s, int index, const char *text, size_t bytes, bool first)
{
    const bool punctuation = s->w->steps[index].kind == STEP_BERT;
    size_t begin = 0;
    for (size_t at = 0; at < bytes;) {
        uint32_t c;
        size_t length = utf8_next(text + at, bytes - at, &c);
        const bool sign = punctuation && is_punctuation(c), space = is_white_space(c);
        if (sign || space) {
            run_from(s, index + 1, text + begin, at - begin, first && begin == 0);
            if (sign) run_from(s, index + 1, text + at, length, first && at == 0);
            begin = at + length;
        }
        at += length;
    }
    run_from(s, index + 1, text + begin, bytes - begin, first && begin == 0);
}

/* Spaces become the mark, which begins a word each time that it stands there. */
static void split_metaspace(split *s, int index, const char *text, size_t bytes, bool first)
{
    const step *step = &s->w->steps[index];
    const size_t mark = strlen(step->mark);
    text_buffer marked = {0};
    const bool marks_itself = text[0] == ' ' || (bytes >= mark && memcmp(text, step->mark, mark) == 0);
    if (!marks_itself && (step->prepend == PREPEND_ALWAYS || (step->prepend == PREPEND_FIRST && first)))
        text_append(&marked, step->mark, mark);
    for (size_t at = 0; at < bytes; at++) {
        if (text[at] == ' ')
            text_append(&marked, step->mark, mark);
        else
            text_append(&marked, text + at, 1);
    }
    size_t begin = 0;
    for (size_t at = 1; step->split && mark > 0 && at + mark <= marked.size; at++) {
        if (memcmp(marked.bytes + at, step->mark, mark) != 0) continue;
        run_from(s, index + 1, marked.bytes + begin, at - begin, first && begin == 0);
        begin = at;
    }
    s->failed |= marked.failed;
    if (marked.size) /* of spaces alone an empty mark leaves nothing */
        run_from(s, index + 1, marked.bytes + begin, marked.size - begin, first && begin == 0);
    text_clear(&marked);
}

/* GPT-2 writes a byte as the character of its number where that is printable in Latin-1, and the 68 others as the
 * characters from U+0100 on. */
uint32_t byte_level_point(unsigned char byte)
{
    if ((byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD)) return byte;
    if (byte <= 0x20) return 0x100u + byte;
    return byte == 0xAD ? 0x143u : 0x121u + (byte - 0x7Fu);
}

int byte_level_byte(uint32_t point)
{
    if (point < 0x100) return byte_level_point((unsigned char)point) == point ? (int)point : -1;
    if (point <= 0x120) return (int)(point - 0x100);
    if (point <= 0x142) return (int)(point - 0x121 + 0x7F);
    return point == 0x143 ? 0xAD : -1;
}

static void write_bytes(split *s, int index, const char *text, size_t bytes, bool first)
{
    text_buffer written = {0};
    for (size_t i = 0; i < bytes; i++) text_append_point(&written, byte_level_point((unsigned char)text[i]));
    s->failed |= written.failed;
    if (!written.failed) run_from(s, index + 1, written.bytes, written.size, first);
    text_clear(&written);
}

/* Where the run of characters of one class that begins at `at` ends. */
static size_t run_end(const char *text, size_t bytes, size_t at, bool (*belongs)(uint32_t c))
{
    while (at < bytes) {
        uint32_t c;
        size_t length = utf8_next(text + at, bytes - at, &c);
        if (!belongs(c)) break;
        at += length;
    }
    return at;
}

static bool is_other(uint32_t c)
{
    return !is_white_space(c) && !is_letter(c) && !is_number(c);
}

/* Bytes of a contraction's end at text[0]: 's 't 're 've 'm 'll 'd; 0 when there is none. */
static size_t contraction(const char *text, size_t bytes)
{
    static const char *const ends[] = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t length = strlen(ends[i]);
        if (bytes >= length && memcmp(text, ends[i], length) == 0) return length;
    }
    return 0;
}

/* The end of GPT-2's next word from `at`, its regular expression's alternatives in their order:
 * 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
static size_t gpt2_word_end(const char *text, size_t bytes, size_t at)
{
    static bool (*const classes[])(uint32_t) = {is_letter, is_number, is_other};
    size_t length = contraction(text + at, bytes - at);
    if (length > 0) return at + length;
    const size_t start = text[at] == ' ' ? at + 1 : at;
    for (int i = 0; i < 3; i++) {
        size_t end = run_end(text, bytes, start, classes[i]);
        if (end > start) return end;
    }
    const size_t end = run_end(text, bytes, at, is_white_space);
    if (end == bytes) return end;
    /* The last of the spaces before a word belongs to what follows. */
    size_t last = end - 1;
    while (((unsigned char)text[last] & 0xC0) == 0x80) last--;
    return last > at ? last : end;
}

static void split_byte_level(split *s, int index, const char *text, size_t bytes, bool first)
{
    const step *step = &s->w->steps[index];
    text_buffer spaced = {0};
    if (step->prefix_space && text[0] != ' ') {
        text_append(&spaced, " ", 1);
        text_append(&spaced, text, bytes);
        s->failed |= spaced.failed;
        if (spaced.failed) return;
        text = spaced.bytes;
        bytes = spaced.size;
    }
    for (size_t at = 0; at < bytes;) {
        size_t end = step->regex ? gpt2_word_end(text, bytes, at) : bytes;
        write_bytes(s, index, text + at, end - at, first && at == 0);
        at = end;
    }
    text_clear(&spaced);
}

static void run_from(split *s, int index, const char *text, size_t bytes, bool first)
{
    if (bytes == 0 || s->failed) return;
    if (index == s->w->count) {
        s->each(s->argument, text, bytes);
        return;
    }
    const step_kind kind = s->w->steps[index].kind;
    if (kind == STEP_METASPACE)
        split_metaspace(s, index, text, bytes, first);
    else if (kind == STEP_BYTE_LEVEL)
        split_byte_level(s, index, text, bytes, first);
    else
        split_words(s, index, text, bytes, first);
}

attn_status word_splitter_run(const word_splitter *w, const char *text, size_t bytes, bool first,
                              void (*each)(void *argument, const char *word, size_t bytes), void *argument)
{
    split s = {.w = w, .each = each, .argument = argument};
    run_from(&s, 0, text, bytes, first);
    return s.failed ? status_fail(ATTN_ERROR_MEMORY, "tokenizing: out of memory") : ATTN_OK;
}
