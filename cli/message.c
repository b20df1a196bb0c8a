#include "message.h"

#define MOST_BYTES 4096

void message_print_text(FILE *out, const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (c[0] == 0xC2 && c[1] >= 0x80 && c[1] < 0xA0) {
            fputc('?', out);
            c++;
        } else {
            fputc(*c < 0x20 || *c == 0x7F ? '?' : *c, out);
        }
    }
}

void message_print(FILE *out, const char *format, va_list args)
{
    char text[MOST_BYTES];
    vsnprintf(text, sizeof text, format, args);
    message_print_text(out, text);
}

void message_tell(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    message_print(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}
