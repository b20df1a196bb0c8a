#include "view/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_put(base64 *b, uint8_t byte)
{
    b->pending = b->pending << 8 | byte;
    if (++b->count < 3) return;
    for (int shift = 18; shift >= 0; shift -= 6) fputc(digits[b->pending >> shift & 63], b->out);
    b->pending = 0;
    b->count = 0;
}

void base64_put_16(base64 *b, uint16_t number)
{
    base64_put(b, (uint8_t)number);
    base64_put(b, (uint8_t)(number >> 8));
}

void base64_end(base64 *b)
{
    if (b->count == 0) return;
    uint32_t bits = b->pending << (8 * (3 - b->count));
    for (int i = 0; i <= b->count; i++) fputc(digits[bits >> (18 - 6 * i) & 63], b->out);
    for (int i = b->count; i < 3; i++) fputc('=', b->out);
    b->pending = 0;
    b->count = 0;
}
