#include "json.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The bytes of the valid UTF-8 character at text (Unicode 15, table 3-7), 0 when there is none. */
static int utf8_length(const unsigned char *text)
{
    unsigned char first = text[0], low = 0x80, high = 0xBF;
    int length = first < 0x80                    ? 1
                 : first >= 0xC2 && first < 0xE0 ? 2
                 : first >= 0xE0 && first < 0xF0 ? 3
                 : first >= 0xF0 && first < 0xF5 ? 4
                                                 : 0;
    if (first == 0xE0) low = 0xA0;
    if (first == 0xED) high = 0x9F;
    if (first == 0xF0) low = 0x90;
    if (first == 0xF4) high = 0x8F;
    for (int i = 1; i < length; i++) {
        if (text[i] < low || text[i] > high) return 0;
        low = 0x80;
        high = 0xBF;
    }
    return length;
}

void json_string(FILE *out, const char *text)
{
    fputc('"', out);
    for (const unsigned char *c = (const unsigned char *)text; *c;) {
        int length = utf8_length(c);
        if (!length)
            fputs("\\ufffd", out);
        else if (length == 1 && (*c < 0x20 || *c == '"' || *c == '\\' || *c == 0x7f))
            fprintf(out, "\\u%04x", *c);
        else
            fwrite(c, 1, (size_t)length, out);
        c += length ? length : 1;
    }
    fputc('"', out);
}

void json_number(FILE *out, double number)
{
    /* The command never leaves the C locale, so the decimal sign is a point. */
    if (isfinite(number))
        fprintf(out, "%.17g", number);
    else
        fputs("null", out);
}

/* Of `doubles`, or of `floats` where those are NULL. */
static void print_matrix(FILE *out, const double *doubles, const float *floats, int64_t rows, int64_t columns)
{
    fputc('[', out);
    for (int64_t i = 0; i < rows; i++) {
        fputs(i ? ", [" : "[", out);
        for (int64_t j = 0; j < columns; j++) {
            const int64_t at = i * columns + j;
            if (j) fputs(", ", out);
            json_number(out, doubles ? doubles[at] : (double)floats[at]);
        }
        fputc(']', out);
    }
    fputc(']', out);
}

void json_matrix(FILE *out, const double *values, int64_t rows, int64_t columns)
{
    print_matrix(out, values, NULL, rows, columns);
}

void json_matrix_float(FILE *out, const float *values, int64_t rows, int64_t columns)
{
    print_matrix(out, NULL, values, rows, columns);
}
