/* Bytes as base64 (RFC 4648, section 4), as they come. */
#ifndef VIEW_BASE64_H
#define VIEW_BASE64_H

#include <stdint.h>
#include <stdio.h>

typedef struct base64 {
    FILE *out;
    uint32_t pending;
    int count; /* bytes pending, 0 to 2 */
} base64;

void base64_put(base64 *b, uint8_t byte);

/* Low byte first. */
void base64_put_16(base64 *b, uint16_t number);

/* What is pending, with its padding. */
void base64_end(base64 *b);

#endif
