/* UTF-8, one code point at a time (RFC 3629: no surrogates, no overlong forms, nothing above U+10FFFF). */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the code point at text[0], 1 to 4, and the code point itself; 0 where the bytes are not UTF-8. bytes > 0. */
static inline size_t utf8_read(const char *text, size_t bytes, uint32_t *point)
{
    const unsigned char *s = (const unsigned char *)text;
    if (s[0] < 0x80) {
        *point = s[0];
        return 1;
    }
    size_t length = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
    if (s[0] < 0xC2 || s[0] > 0xF4 || length > bytes) return 0;
    uint32_t c = s[0] & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xC0) != 0x80) return 0;
        c = c << 6 | (s[i] & 0x3Fu);
    }
    if ((length == 3 && c < 0x800) || (length == 4 && (c < 0x10000 || c > 0x10FFFF))) return 0;
    if (c >= 0xD800 && c <= 0xDFFF) return 0;
    *point = c;
    return length;
}

/* The same for text that may be anything: a byte that is not UTF-8 reads as U+FFFD, one byte long. */
static inline size_t utf8_next(const char *text, size_t bytes, uint32_t *point)
{
    size_t length = utf8_read(text, bytes, point);
    if (length) return length;
    *point = 0xFFFD;
    return 1;
}

/* The offset of the first byte that is not UTF-8; `bytes` when all of it is. */
static inline size_t utf8_valid_prefix(const char *text, size_t bytes)
{
    size_t at = 0;
    while (at < bytes) {
        uint32_t point;
        size_t length = utf8_read(text + at, bytes - at, &point);
        if (!length) break;
        at += length;
    }
    return at;
}

static inline bool utf8_valid(const char *text, size_t bytes)
{
    return utf8_valid_prefix(text, bytes) == bytes;
}

/* The bytes of the whole characters at the beginning of a text, at most `most`: where it may be cut, to be shown. Of
 * what is no UTF-8, bytes. */
static inline size_t utf8_shown(const char *text, size_t most)
{
    size_t length = 0;
    while (length < most && text[length]) length++;
    if (!text[length]) return length;
    for (size_t back = 0; back < 4 && back <= length; back++) {
        if ((text[length - back] & 0xC0) != 0x80) return length - back;
    }
    return length;
}

/* White space as Unicode's White_Space and bidirectional classes have it, and as Python's str.split() does. */
static inline bool utf8_is_space(uint32_t c)
{
    return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

#endif
