#include "input/normalizer.h"

#include "base/status.h"
#include "base/utf8.h"
#include "input/nested_json.h"
#include "input/unicode_classes.h"

#include <stdlib.h>
#include <string.h>

#define MOST_STEPS 64

typedef enum step_kind {
    STEP_BERT,
    STEP_NFC,
    STEP_NFD,
    STEP_NFKC,
    STEP_NFKD,
    STEP_LOWERCASE,
    STEP_STRIP_ACCENTS,
    STEP_STRIP,
    STEP_REPLACE,
    STEP_PREPEND,
    STEP_SEQUENCE /* not a step: a list of them */
} step_kind;

static const char *const step_names[] = {"BertNormalizer", "NFC",   "NFD",     "NFKC",    "NFKD",     "Lowercase",
                                         "StripAccents",   "Strip", "Replace", "Prepend", "Sequence", NULL};

typedef struct step {
    step_kind kind;
    bool clean, chinese, strip_accents, lower; /* BERT */
    bool left, right;                          /* strip */
    char *from, *to;                           /* replace; prepend: to */
} step;

struct normalizer {
    int count;
    step steps[MOST_STEPS];
};

/* ---- reading ---------------------------------------------------------------------------------------------------- */

static attn_status read_bert(step *s, const json_t *json, const char *path)
{
    attn_status status = nested_bool(path, "normalizer", json, "clean_text", true, &s->clean);
    if (status == ATTN_OK) status = nested_bool(path, "normalizer", json, "handle_chinese_chars", true, &s->chinese);
    if (status == ATTN_OK) status = nested_bool(path, "normalizer", json, "lowercase", true, &s->lower);
    if (status == ATTN_OK) status = nested_bool(path, "normalizer", json, "strip_accents", s->lower, &s->strip_accents);
    return status;
}

static attn_status copy_text(char **to, const char *from, const char *path)
{
    *to = strdup(from);
    return *to ? ATTN_OK : status_fail(ATTN_ERROR_MEMORY, "%s: out of memory", path);
}

static attn_status read_replace(step *s, const json_t *json, const char *path)
{
    const json_t *pattern = json_object_get(json, "pattern");
    const char *from = json_string_value(json_object_get(pattern, "String")), *to;
    if (!from || !*from)
        return nested_refuse(ATTN_ERROR_UNSUPPORTED, path, "normalizer: Replace", "pattern", pattern, "a String");
    attn_status status = nested_string(path, "normalizer: Replace", json, "content", &to);
    if (status == ATTN_OK) status = copy_text(&s->from, from, path);
    return status == ATTN_OK ? copy_text(&s->to, to, path) : status;
}

static attn_status read_step(step *s, const json_t *json, const char *path)
{
    const char *to;
    attn_status status;
    switch (s->kind) {
    case STEP_BERT:
        return read_bert(s, json, path);
    case STEP_STRIP:
        status = nested_bool(path, "normalizer: Strip", json, "strip_left", true, &s->left);
        return status == ATTN_OK ? nested_bool(path, "normalizer: Strip", json, "strip_right", true, &s->right)
                                 : status;
    case STEP_REPLACE:
        return read_replace(s, json, path);
    case STEP_PREPEND:
        status = nested_string(path, "normalizer: Prepend", json, "prepend", &to);
        return status == ATTN_OK ? copy_text(&s->to, to, path) : status;
    default:
        return ATTN_OK;
    }
}

static attn_status add_step(void *argument, const char *path, const json_t *json, int type)
{
    normalizer *n = argument;
    if (n->count == MOST_STEPS)
        return status_fail(ATTN_ERROR_UNSUPPORTED, "%s: normalizer: more than %d steps", path, MOST_STEPS);
    step *s = &n->steps[n->count++];
    s->kind = (step_kind)type;
    return read_step(s, json, path);
}

attn_status normalizer_read(normalizer **out, const json_t *json, const char *path)
{
    normalizer *n = *out = calloc(1, sizeof *n);
    if (!n) return status_fail(ATTN_ERROR_MEMORY, "%s: out of memory", path);
    const nested_steps steps = {path, "normalizer", "normalizers", step_names, STEP_SEQUENCE, add_step, n};
    attn_status status = nested_steps_read(&steps, json);
    if (status == ATTN_OK) return ATTN_OK;
    normalizer_destroy(n);
    *out = NULL;
    return status;
}

void normalizer_destroy(normalizer *n)
{
    if (!n) return;
    for (int i = 0; i < n->count; i++) {
        free(n->steps[i].from);
        free(n->steps[i].to);
    }
    free(n);
}

/* ---- running: each step reads one buffer and appends to another ---------------------------------------------------
 */

typedef void (*point_step)(const step *s, uint32_t point, text_buffer *to);

static void each_point(const step *s, point_step run, const text_buffer *from, text_buffer *to)
{
    for (size_t at = 0; at < from->size;) {
        uint32_t point;
        at += utf8_next(from->bytes + at, from->size - at, &point);
        run(s, point, to);
        to->moved |= to->size == 0;
    }
}

static void clean_point(const step *s, uint32_t c, text_buffer *to)
{
    (void)s;
    if (c == 0 || c == 0xFFFD || is_control(c)) return;
    text_append_point(to, is_white_space(c) ? ' ' : c);
}

static void part_chinese(const step *s, uint32_t c, text_buffer *to)
{
    (void)s;
    if (is_chinese(c)) text_append(to, " ", 1);
    text_append_point(to, c);
    if (is_chinese(c)) text_append(to, " ", 1);
}

static void drop_nonspacing(const step *s, uint32_t c, text_buffer *to)
{
    (void)s;
    if (g_unichar_type(c) != G_UNICODE_NON_SPACING_MARK) text_append_point(to, c);
}

static void drop_marks(const step *s, uint32_t c, text_buffer *to)
{
    (void)s;
    if (!g_unichar_ismark(c)) text_append_point(to, c);
}

static void lower_point(const step *s, uint32_t c, text_buffer *to)
{
    (void)s;
    text_append_point(to, c == 0x130 ? 'i' : lower_case(c));
    if (c == 0x130) text_append_point(to, 0x307);
}

/* ASCII is normalized as it is, save that what follows may combine with its last character. GLib ends at a NUL, which
 * is ASCII that combines with nothing. */
static void normalize(GNormalizeMode mode, const text_buffer *from, text_buffer *to)
{
    size_t at = 0;
    while (at < from->size && !to->failed) {
        size_t plain = at;
        while (plain < from->size && (unsigned char)from->bytes[plain] < 0x80) plain++;
        size_t end = plain;
        while (end < from->size && (unsigned char)from->bytes[end] >= 0x80) end++;
        if (end > plain && plain > at && from->bytes[plain - 1]) plain--;
        text_append(to, from->bytes + at, plain - at);
        gchar *normal = end > plain ? g_utf8_normalize(from->bytes + plain, (gssize)(end - plain), mode) : NULL;
        if (normal) text_append(to, normal, strlen(normal));
        g_free(normal);
        at = end;
    }
}

static void strip(const step *s, const text_buffer *from, text_buffer *to)
{
    size_t begin = from->size, end = 0;
    for (size_t at = 0; at < from->size;) {
        uint32_t point;
        size_t length = utf8_next(from->bytes + at, from->size - at, &point);
        if (!is_white_space(point)) {
            if (begin == from->size) begin = at;
            end = at + length;
        }
        at += length;
    }
    if (!s->left) begin = 0;
    to->moved |= begin > 0;
    if (!s->right) end = from->size;
    if (begin < end) text_append(to, from->bytes + begin, end - begin);
}

static void replace(const step *s, const text_buffer *from, text_buffer *to)
{
    const size_t length = strlen(s->from);
    for (size_t at = 0; at < from->size;) {
        if (from->size - at >= length && memcmp(from->bytes + at, s->from, length) == 0) {
            text_append(to, s->to, strlen(s->to));
            at += length;
        } else {
            text_append(to, from->bytes + at++, 1);
        }
    }
}

/* *text becomes what `run` makes of it. */
static void pass(const step *s, point_step run, text_buffer *text)
{
    text_buffer result = {.failed = text->failed, .moved = text->moved};
    each_point(s, run, text, &result);
    text_clear(text);
    *text = result;
}

static void pass_normalize(GNormalizeMode mode, text_buffer *text)
{
    text_buffer result = {.failed = text->failed, .moved = text->moved};
    normalize(mode, text, &result);
    text_clear(text);
    *text = result;
}

static void run_bert(const step *s, text_buffer *text)
{
    if (s->clean) pass(s, clean_point, text);
    if (s->chinese) pass(s, part_chinese, text);
    if (s->strip_accents) {
        pass_normalize(G_NORMALIZE_NFD, text);
        pass(s, drop_nonspacing, text);
    }
    if (s->lower) pass(s, lower_point, text);
}

static void run_whole(const step *s, text_buffer *text)
{
    text_buffer result = {.failed = text->failed, .moved = text->moved};
    if (s->kind == STEP_STRIP) strip(s, text, &result);
    if (s->kind == STEP_REPLACE) replace(s, text, &result);
    if (s->kind == STEP_PREPEND) {
        if (text->size > 0) text_append(&result, s->to, strlen(s->to));
        text_append(&result, text->bytes, text->size);
    }
    text_clear(text);
    *text = result;
}

static void run_step(const step *s, text_buffer *text)
{
    static const GNormalizeMode modes[] = {[STEP_NFC] = G_NORMALIZE_NFC,
                                           [STEP_NFD] = G_NORMALIZE_NFD,
                                           [STEP_NFKC] = G_NORMALIZE_NFKC,
                                           [STEP_NFKD] = G_NORMALIZE_NFKD};
    switch (s->kind) {
    case STEP_BERT:
        run_bert(s, text);
        break;
    case STEP_NFC:
    case STEP_NFD:
    case STEP_NFKC:
    case STEP_NFKD:
        pass_normalize(modes[s->kind], text);
        break;
    case STEP_LOWERCASE:
        pass(s, lower_point, text);
        break;
    case STEP_STRIP_ACCENTS:
        pass(s, drop_marks, text);
        break;
    default:
        run_whole(s, text);
    }
}

void normalizer_run(const normalizer *n, text_buffer *text)
{
    for (int i = 0; i < n->count; i++) run_step(&n->steps[i], text);
}
