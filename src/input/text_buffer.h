/* Text that grows at its end. Once memory is short it stays as it is and says so. */
#ifndef INPUT_TEXT_BUFFER_H
#define INPUT_TEXT_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct text_buffer {
    char *bytes; /* no NUL at the end; NULL before the first growth */
    size_t size, capacity;
    bool failed;
    bool moved; /* something that stood before it has been taken away */
} text_buffer;

void text_append(text_buffer *b, const char *bytes, size_t size);
void text_append_point(text_buffer *b, uint32_t point);

/* Frees the bytes and zeroes *b. */
void text_clear(text_buffer *b);

#endif
