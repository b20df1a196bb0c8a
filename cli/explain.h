/* The steps of attention on small matrices: computed here one by one in fp64, and by libattn in one go. */
#ifndef CLI_EXPLAIN_H
#define CLI_EXPLAIN_H

#include "matrix_file.h"

#include <stdbool.h>

/* What the matrices are called, by how many there were: X alone (it attends to itself), X and H, or Q, K and V. */
typedef struct explain_names {
    const char *query, *key, *value;    /* "X", "H", "H" */
    char query_row, key_row, value_row; /* 'x', 'h', 'h' */
} explain_names;

typedef struct explain_steps {
    explain_names names;
    matrix q, k, v; /* (T, D), (S, D), (S, DV); not owned */
    int64_t T, S, D, DV;
    double scale;                                 /* 1 / sqrt(D) */
    double *similarity;                           /* (T, S) Q K^T */
    double *scaled;                               /* (T, S) similarity times scale */
    double *largest;                              /* (T) of each row of scaled */
    double *exponential;                          /* (T, S) exp(scaled - largest) */
    double *normalizer;                           /* (T) sum of exponential over the keys */
    double *weights;                              /* (T, S) exponential / normalizer */
    double *unscaled;                             /* (T, S) the weights that similarity would give without the scale */
    double *output;                               /* (T, DV) weights V */
    float *library_weights;                       /* (T, S) attn_weights */
    float *library_output;                        /* (T, DV) attn_forward */
    double weights_difference, output_difference; /* the largest between the two */
    double weights_tolerance, output_tolerance;   /* what fp32 rounding explains at most */
} explain_steps;

/* Computes every step for one, two or three matrices. 0, or 1 after telling why not. */
int explain_compute(explain_steps *s, const matrix_list *matrices);
void explain_clear(explain_steps *s);

/* The accumulation of query i's output, key by key: sum (S, DV) and normalizer (S) after each key; output (DV). */
void explain_by_key(const explain_steps *s, int64_t i, double *sum, double *normalizer, double *output);

/* The steps for a reader, `query` being the row that is followed key by key; and for a program. */
void explain_print(const explain_steps *s, int64_t query);
void explain_print_json(const explain_steps *s);

#endif
