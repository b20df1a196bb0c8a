#include "base/utf8.h"

#include <stdint.h>

/* Bytes of the well-formed sequence at s, of which `left` bytes remain; 0 when there is none. The second byte's range
 * depends on the first: Unicode 15, table 3-7. */
static size_t sequence_length(const unsigned char *s, size_t left)
{
    if (s[0] < 0x80) return 1;
    if (s[0] < 0xC2 || s[0] > 0xF4) return 0;
    size_t length = s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
    if (left < length) return 0;
    unsigned char low = s[0] == 0xE0 ? 0xA0 : s[0] == 0xF0 ? 0x90 : 0x80;
    unsigned char high = s[0] == 0xED ? 0x9F : s[0] == 0xF4 ? 0x8F : 0xBF;
    if (s[1] < low || s[1] > high) return 0;
    for (size_t i = 2; i < length; i++) {
        if ((s[i] & 0xC0) != 0x80) return 0;
    }
    return length;
}

bool utf8_valid(const char *text, size_t bytes)
{
    const unsigned char *s = (const unsigned char *)text;
    for (size_t i = 0; i < bytes;) {
        size_t length = sequence_length(s + i, bytes - i);
        if (length == 0) return false;
        i += length;
    }
    return true;
}
