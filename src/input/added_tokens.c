#include "input/added_tokens.h"

#include "base/status.h"
#include "base/utf8.h"
#include "input/nested_json.h"
#include "input/unicode_classes.h"

#include <stdlib.h>
#include <string.h>

#define MOST_TOKENS 100000
#define MOST_ID ((1 << 22) - 1)

static attn_status no_memory(const char *path)
{
    return status_fail(ATTN_ERROR_MEMORY, "%s: out of memory", path);
}

static attn_status set_content(added_token *t, const char *name, const normalizer *n, const char *path)
{
    text_buffer text = {0};
    text_append(&text, name, strlen(name));
    if (t->normalized) normalizer_run(n, &text);
    text_append(&text, "", 1);
    t->name = strdup(name);
    if (text.failed || !t->name) {
        text_clear(&text);
        return no_memory(path);
    }
    t->content = text.bytes;
    t->bytes = text.size - 1;
    return ATTN_OK;
}

static attn_status read_token(added_token *t, const json_t *json, const normalizer *n, const char *path)
{
    const char *name;
    int64_t id;
    attn_status s = nested_string(path, "added_tokens", json, "content", &name);
    if (s == ATTN_OK) s = nested_integer(path, "added_tokens", json, "id", 0, MOST_ID, &id);
    if (s == ATTN_OK) s = nested_bool(path, "added_tokens", json, "special", false, &t->special);
    if (s == ATTN_OK) s = nested_bool(path, "added_tokens", json, "normalized", !t->special, &t->normalized);
    if (s == ATTN_OK) s = nested_bool(path, "added_tokens", json, "single_word", false, &t->single_word);
    if (s == ATTN_OK) s = nested_bool(path, "added_tokens", json, "lstrip", false, &t->lstrip);
    if (s == ATTN_OK) s = nested_bool(path, "added_tokens", json, "rstrip", false, &t->rstrip);
    if (s != ATTN_OK) return s;
    t->id = (int32_t)id;
    return set_content(t, name, n, path);
}

attn_status added_tokens_read(added_tokens *out, const json_t *array, const normalizer *n, const char *path)
{
    const size_t count = json_array_size(array);
    const json_t *item;
    size_t i;
    *out = (added_tokens){0};
    if (count > MOST_TOKENS)
        return status_fail(ATTN_ERROR_UNSUPPORTED, "%s: added_tokens: %zu of them, expected at most %d", path, count,
                           MOST_TOKENS);
    out->tokens = calloc(count + 1, sizeof *out->tokens);
    if (!out->tokens) return no_memory(path);
    json_array_foreach(array, i, item)
    {
        attn_status s = read_token(&out->tokens[out->count++], item, n, path);
        if (s != ATTN_OK) return s;
    }
    return ATTN_OK;
}

attn_status added_tokens_add(added_tokens *a, const char *name, int32_t id, const char *path)
{
    added_token *grown = realloc(a->tokens, ((size_t)a->count + 1) * sizeof *grown);
    if (!grown) return no_memory(path);
    a->tokens = grown;
    added_token *t = &a->tokens[a->count++];
    *t = (added_token){.id = id, .special = true};
    return set_content(t, name, NULL, path);
}

void added_tokens_clear(added_tokens *a)
{
    for (int64_t i = 0; i < a->count; i++) {
        free(a->tokens[i].content);
        free(a->tokens[i].name);
    }
    free(a->tokens);
    *a = (added_tokens){0};
}

const added_token *added_tokens_of_id(const added_tokens *a, int32_t id)
{
    for (int64_t i = 0; i < a->count; i++) {
        if (a->tokens[i].id == id) return &a->tokens[i];
    }
    return NULL;
}

static bool is_word_point(uint32_t c)
{
    return is_letter(c) || is_number(c) || c == '_' || g_unichar_ismark(c);
}

/* The offset of the code point that ends before `at`. */
static size_t point_before(const char *text, size_t at)
{
    do at--;
    while (at > 0 && ((unsigned char)text[at] & 0xC0) == 0x80);
    return at;
}

static bool within_word(const char *text, size_t bytes, size_t begin, size_t end)
{
    uint32_t c;
    if (begin > 0) {
        size_t before = point_before(text, begin);
        utf8_next(text + before, bytes - before, &c);
        if (is_word_point(c)) return true;
    }
    if (end == bytes) return false;
    utf8_next(text + end, bytes - end, &c);
    return is_word_point(c);
}

static void take_spaces(const char *text, size_t bytes, size_t from, added_match *m)
{
    uint32_t c;
    while (m->token->lstrip && m->begin > from) {
        size_t before = point_before(text, m->begin);
        utf8_next(text + before, bytes - before, &c);
        if (!is_white_space(c)) break;
        m->begin = before;
    }
    while (m->token->rstrip && m->end < bytes) {
        size_t length = utf8_next(text + m->end, bytes - m->end, &c);
        if (!is_white_space(c)) break;
        m->end += length;
    }
}

static const added_token *longest_at(const added_tokens *a, const char *text, size_t bytes, bool normalized)
{
    const added_token *longest = NULL;
    for (int64_t i = 0; i < a->count; i++) {
        const added_token *t = &a->tokens[i];
        if (t->normalized != normalized || t->bytes == 0 || t->bytes > bytes || t->content[0] != text[0]) continue;
        if (longest && longest->bytes >= t->bytes) continue;
        if (memcmp(t->content, text, t->bytes) == 0) longest = t;
    }
    return longest;
}

bool added_tokens_next(const added_tokens *a, const char *text, size_t bytes, size_t from, bool normalized,
                       added_match *match)
{
    bool begins[256] = {false};
    for (int64_t i = 0; i < a->count; i++) begins[(unsigned char)a->tokens[i].content[0]] = true;
    for (size_t at = from; at < bytes; at++) {
        if (!begins[(unsigned char)text[at]]) continue;
        const added_token *t = longest_at(a, text + at, bytes - at, normalized);
        if (!t || (t->single_word && within_word(text, bytes, at, at + t->bytes))) continue;
        *match = (added_match){at, at + t->bytes, t};
        take_spaces(text, bytes, from, match);
        return true;
    }
    return false;
}
