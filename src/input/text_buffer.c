#include "input/text_buffer.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(text_buffer *b, size_t more)
{
    if (b->failed || more > SIZE_MAX / 4 - b->size) b->failed = true;
    if (b->failed || b->size + more <= b->capacity) return !b->failed;
    size_t capacity = 2 * (b->size + more) + 64;
    char *grown = realloc(b->bytes, capacity);
    if (!grown) {
        b->failed = true;
        return false;
    }
    b->bytes = grown;
    b->capacity = capacity;
    return true;
}

void text_append(text_buffer *b, const char *bytes, size_t size)
{
    if (!reserve(b, size) || size == 0) return;
    memcpy(b->bytes + b->size, bytes, size);
    b->size += size;
}

void text_append_point(text_buffer *b, uint32_t point)
{
    char utf8[6];
    text_append(b, utf8, (size_t)g_unichar_to_utf8(point, utf8));
}

void text_clear(text_buffer *b)
{
    free(b->bytes);
    *b = (text_buffer){0};
}
