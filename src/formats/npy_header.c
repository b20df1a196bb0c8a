#include "formats/npy_header.h"

#include "base/checked.h"
#include "base/status.h"

#include <string.h>

typedef struct cursor {
    const char *at, *end;
    const char *path;
} cursor;

static attn_status unexpected(const cursor *c, const char *expectation)
{
    int rest = c->end - c->at > 30 ? 30 : (int)(c->end - c->at);
    char shown[31] = "";
    for (int i = 0; i < rest; i++) shown[i] = c->at[i] >= ' ' && c->at[i] <= '~' ? c->at[i] : '?';
    return status_fail(ATTN_ERROR_FORMAT, "%s: header: expected %s at \"%s\"", c->path, expectation, shown);
}

static void skip_space(cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n')) c->at++;
}

static bool take(cursor *c, char wanted)
{
    skip_space(c);
    if (c->at == c->end || *c->at != wanted) return false;
    c->at++;
    return true;
}

static bool take_word(cursor *c, const char *word)
{
    size_t length = strlen(word);
    skip_space(c);
    if ((size_t)(c->end - c->at) < length || memcmp(c->at, word, length) != 0) return false;
    c->at += length;
    return true;
}

/* 'text' or "text" of fewer than `room` characters, without escapes. */
static bool take_string(cursor *c, char *text, size_t room)
{
    skip_space(c);
    if (c->at == c->end || (*c->at != '\'' && *c->at != '"')) return false;
    const char *start = c->at + 1;
    const char *close = memchr(start, *c->at, (size_t)(c->end - start));
    if (!close || (size_t)(close - start) >= room) return false;
    memcpy(text, start, (size_t)(close - start));
    text[close - start] = '\0';
    c->at = close + 1;
    return true;
}

static bool take_integer(cursor *c, int64_t *value)
{
    skip_space(c);
    const char *start = c->at;
    *value = 0;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9') {
        if (!checked_mul_i64(*value, 10, value) || !checked_add_i64(*value, *c->at - '0', value)) return false;
        c->at++;
    }
    return c->at > start;
}

static attn_status read_descr(cursor *c, npy_header *h)
{
    char descr[16];
    if (!take_string(c, descr, sizeof descr)) return unexpected(c, "a type such as '<f4'");
    static const char *const known[] = {"b1", "f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"};
    bool order = descr[0] && strchr("<>|=", descr[0]);
    for (size_t i = 0; order && i < sizeof known / sizeof *known; i++) {
        if (strcmp(descr + 1, known[i]) != 0) continue;
        h->kind = known[i][0];
        h->item_bytes = known[i][1] - '0';
        h->big_endian = descr[0] == '>';
        return ATTN_OK;
    }
    return status_fail(ATTN_ERROR_UNSUPPORTED, "%s: descr is '%s', expected floats ('<f4'), integers or booleans",
                       c->path, descr);
}

static attn_status read_order(cursor *c, npy_header *h)
{
    h->fortran_order = take_word(c, "True");
    if (h->fortran_order || take_word(c, "False")) return ATTN_OK;
    return unexpected(c, "True or False");
}

/* (), (5,), (2, 3) or (2, 3,) */
static attn_status read_shape(cursor *c, npy_header *h)
{
    if (!take(c, '(')) return unexpected(c, "a shape such as (2, 3)");
    while (!take(c, ')')) {
        if (h->rank == NPY_MOST_RANK)
            return status_fail(ATTN_ERROR_UNSUPPORTED, "%s: more than %d dimensions", c->path, NPY_MOST_RANK);
        if (!take_integer(c, &h->shape[h->rank])) return unexpected(c, "a dimension");
        h->rank++;
        if (take(c, ',')) continue;
        if (take(c, ')')) return ATTN_OK;
        return unexpected(c, "',' or ')'");
    }
    return ATTN_OK;
}

static attn_status count_elements(npy_header *h, const char *path)
{
    int64_t bytes = h->item_bytes;
    h->count = 1;
    for (int i = 0; i < h->rank; i++) {
        if (h->shape[i] == 0) {
            h->count = 0;
            return ATTN_OK;
        }
        if (!checked_mul_i64(bytes, h->shape[i], &bytes))
            return status_fail(ATTN_ERROR_FORMAT, "%s: shape[%d] = %lld makes more bytes than can be counted", path, i,
                               (long long)h->shape[i]);
        h->count *= h->shape[i];
    }
    return ATTN_OK;
}

attn_status npy_header_parse(npy_header *h, const char *path, const char *text, size_t bytes)
{
    static const struct {
        const char *name;
        attn_status (*read)(cursor *c, npy_header *h);
    } fields[] = {{"descr", read_descr}, {"fortran_order", read_order}, {"shape", read_shape}};
    memset(h, 0, sizeof *h);
    cursor c = {text, text + bytes, path};
    unsigned seen = 0;
    if (!take(&c, '{')) return unexpected(&c, "'{'");
    while (!take(&c, '}')) {
        char name[16];
        size_t i = 0;
        if (!take_string(&c, name, sizeof name)) return unexpected(&c, "a field's name");
        while (i < 3 && strcmp(name, fields[i].name) != 0) i++;
        if (i == 3 || (seen & 1u << i))
            return status_fail(ATTN_ERROR_FORMAT,
                               "%s: header: field '%s', expected descr, fortran_order and shape, once each", path,
                               name);
        seen |= 1u << i;
        if (!take(&c, ':')) return unexpected(&c, "':'");
        attn_status status = fields[i].read(&c, h);
        if (status != ATTN_OK) return status;
        if (take(&c, ',')) continue;
        if (take(&c, '}')) break;
        return unexpected(&c, "',' or '}'");
    }
    if (seen != 7) return unexpected(&c, "the fields descr, fortran_order and shape before this");
    skip_space(&c);
    if (c.at != c.end) return unexpected(&c, "nothing more");
    return count_elements(h, path);
}
