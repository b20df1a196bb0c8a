/* The pieces of JSON that --json options print. */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include <stdint.h>
#include <stdio.h>

/* A quoted string, escaped; bytes that are no UTF-8 become U+FFFD. */
void json_string(FILE *out, const char *text);

/* A number with all its digits; null when it is not finite. */
void json_number(FILE *out, double number);

/* [[..], ..] of (rows, columns), of doubles or of floats. */
void json_matrix(FILE *out, const double *values, int64_t rows, int64_t columns);
void json_matrix_float(FILE *out, const float *values, int64_t rows, int64_t columns);

#endif
