#include "colour.h"
#include "explain.h"
#include "terminal.h"

#include "attn/seq.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *on(colour_style style)
{
    return colour(stdout, style);
}

static void heading(int step, const char *words)
{
    printf("\n%s%d. %s%s\n", on(COLOUR_STRONG), step, words, on(COLOUR_PLAIN));
}

static void formula(const char *text)
{
    printf("   %s%s%s\n", on(COLOUR_ACCENT), text, on(COLOUR_PLAIN));
}

/* As many decimals as leave about five digits. */
static int decimals_for(const double *values, int64_t count)
{
    double most = 0;
    for (int64_t i = 0; i < count; i++) most = fmax(most, fabs(values[i]));
    return most < 100 ? 3 : most < 1000 ? 2 : most < 10000 ? 1 : 0;
}

static int width_for(const double *values, int64_t count, int decimals)
{
    int most = 0;
    for (int64_t i = 0; i < count; i++) {
        int width = snprintf(NULL, 0, "%.*f", decimals, values[i]);
        if (width > most) most = width;
    }
    return most < 5 ? 5 : most;
}

typedef struct table {
    const double *values;
    int64_t rows, columns;
    char row_name, column_name; /* 'x' gives x1, x2, ...; 0: no names */
} table;

static void print_column_names(const table *t, int width)
{
    char name[24];
    if (!t->column_name) return;
    printf("%*s%s", 8, "", on(COLOUR_FAINT));
    for (int64_t j = 0; j < t->columns; j++) {
        snprintf(name, sizeof name, "%c%lld", t->column_name, (long long)j + 1);
        printf(" %*s", width, name);
    }
    printf("%s\n", on(COLOUR_PLAIN));
}

static void print_row_name(char letter, int64_t i)
{
    char name[24];
    snprintf(name, sizeof name, "%c%lld", letter, (long long)i + 1);
    printf("%s%8s%s", on(COLOUR_FAINT), name, on(COLOUR_PLAIN));
}

static void print_table(const table *t)
{
    int decimals = decimals_for(t->values, t->rows * t->columns);
    int width = width_for(t->values, t->rows * t->columns, decimals) + 1;
    putchar('\n');
    print_column_names(t, width);
    for (int64_t i = 0; i < t->rows; i++) {
        print_row_name(t->row_name, i);
        for (int64_t j = 0; j < t->columns; j++) printf(" %*.*f", width, decimals, t->values[i * t->columns + j]);
        putchar('\n');
    }
}

static void print_matrix(const char *name, const matrix *m, char row_name)
{
    double *values = malloc((size_t)(m->rows * m->columns) * sizeof *values);
    if (!values) return;
    for (int64_t i = 0; i < m->rows * m->columns; i++) values[i] = m->values[i];
    printf("\n   %s, %lld x %lld", name, (long long)m->rows, (long long)m->columns);
    print_table(&(table){values, m->rows, m->columns, row_name, 0});
    free(values);
}

static void print_input(const explain_steps *s)
{
    const explain_names *n = &s->names;
    bool three = s->q.values != s->v.values && s->k.values != s->v.values;
    bool two = !three && s->q.values != s->k.values;
    heading(1, "The input");
    if (three) {
        formula("Q = [q1 .. qT], K = [k1 .. kS], V = [v1 .. vS]");
        puts("   Queries that ask, keys that are compared with them, values that are fetched: one row each.");
    } else if (two) {
        formula("X = [x1 .. xT], H = [h1 .. hS]");
        puts("   One vector a row. The sequence X asks; the sequence H is compared with it and fetched from.");
    } else {
        formula("X = [x1 .. xn]");
        puts("   A sequence of vectors, one a row. It attends to itself: each x asks, is compared and is fetched.");
    }
    print_matrix(n->query, &s->q, n->query_row);
    if (two || three) print_matrix(n->key, &s->k, n->key_row);
    if (three) print_matrix("V", &s->v, 'v');
}

static void shape_line(const char *what, int64_t rows, int64_t columns)
{
    printf("   %s is %lld x %lld: a row for each query, a column for each key.\n", what, (long long)rows,
           (long long)columns);
}

static void print_similarity(const explain_steps *s)
{
    const explain_names *n = &s->names;
    char text[128];
    heading(2, "Similarity: every query with every key");
    snprintf(text, sizeof text, "Z = %s %s^T,  z_ij = sum over c of %c_ic %c_jc", n->query, n->key, n->query_row,
             n->key_row);
    formula(text);
    shape_line("Z", s->T, s->S);
    print_table(&(table){s->similarity, s->T, s->S, n->query_row, n->key_row});
    snprintf(text, sizeof text, "S = Z / sqrt(d) = Z / sqrt(%lld) = %.4f Z", (long long)s->D, s->scale);
    putchar('\n');
    formula(text);
    puts("   A sum of d products grows with sqrt(d); dividing keeps the softmax from becoming a mere maximum.");
    print_table(&(table){s->scaled, s->T, s->S, n->query_row, n->key_row});
}

/* The exponentials, with each row's largest score before and its sum after. */
static void print_exponentials(const explain_steps *s)
{
    char name[24];
    int width = 7;
    printf("\n%8s%s %*s |", "", on(COLOUR_FAINT), width + 2, "m_i");
    for (int64_t j = 0; j < s->S; j++) {
        snprintf(name, sizeof name, "e_i%lld", (long long)j + 1);
        printf(" %*s", width, name);
    }
    printf(" | %*s%s\n", width, "l_i", on(COLOUR_PLAIN));
    for (int64_t i = 0; i < s->T; i++) {
        print_row_name(s->names.query_row, i);
        printf(" %*.3f |", width + 2, s->largest[i]);
        for (int64_t j = 0; j < s->S; j++) printf(" %*.3f", width, s->exponential[i * s->S + j]);
        printf(" | %*.3f\n", width, s->normalizer[i]);
    }
}

static void print_weights(const explain_steps *s)
{
    heading(3, "Softmax, row by row");
    formula("m_i = max over j of s_ij,  e_ij = exp(s_ij - m_i),  l_i = sum over j of e_ij,  a_ij = e_ij / l_i");
    puts("   Taking the largest away changes no weight and keeps exp from overflowing.");
    print_exponentials(s);
    putchar('\n');
    formula("A = softmax(S), each row sums to 1");
    print_table(&(table){s->weights, s->T, s->S, s->names.query_row, s->names.key_row});
    puts("\n   Without the division by sqrt(d) it would be sharper:");
    print_table(&(table){s->unscaled, s->T, s->S, s->names.query_row, s->names.key_row});
}

static void print_output(const explain_steps *s)
{
    char text[128];
    heading(4, "Output: the values, weighed");
    snprintf(text, sizeof text, "O = A %s,  o_i = sum over j of a_ij %c_j", s->names.value, s->names.value_row);
    formula(text);
    printf("   O is %lld x %lld: for each query a mixture of the values.\n", (long long)s->T, (long long)s->DV);
    print_table(&(table){s->output, s->T, s->DV, 'o', 0});
}

static void print_sum_row(const explain_steps *s, int64_t query, int64_t j, const double *sum, double normalizer,
                          int width, int decimals)
{
    print_row_name(s->names.key_row, j);
    printf(" %7.3f |", s->exponential[query * s->S + j]);
    for (int64_t c = 0; c < s->DV; c++) printf(" %*.*f", width, decimals, sum[c]);
    printf(" | %7.3f\n", normalizer);
}

static void print_by_key(const explain_steps *s, int64_t query)
{
    size_t sums = (size_t)(s->S * s->DV);
    double *room = malloc((sums + (size_t)s->S + (size_t)s->DV) * sizeof *room);
    if (!room) return;
    double *sum = room, *normalizer = sum + sums, *output = normalizer + s->S;
    char text[160];
    explain_by_key(s, query, sum, normalizer, output);
    heading(5, "The same number, key by key");
    snprintf(text, sizeof text, "o_i = (sum over j of e_ij %c_j) / (sum over j of e_ij)", s->names.value_row);
    formula(text);
    printf(
        "   Element by element over the keys; the normalizer too is a sum over the keys. Nothing of size %lld x %lld\n"
        "   need be kept, which is how attn_forward goes. For query %lld, after each key:\n\n",
        (long long)s->T, (long long)s->S, (long long)query + 1);
    int decimals = decimals_for(sum, s->S * s->DV), width = width_for(sum, s->S * s->DV, decimals) + 1;
    int span = (int)s->DV * (width + 1);
    snprintf(text, sizeof text, "sum of e %c", s->names.value_row);
    printf("%s%8s %7s | %*s | %7s%s\n", on(COLOUR_FAINT), "", "e", span > 9 ? span - 1 : 9, text, "sum e",
           on(COLOUR_PLAIN));
    for (int64_t j = 0; j < s->S; j++)
        print_sum_row(s, query, j, sum + j * s->DV, normalizer[j], span > 9 ? width : 10 / (int)s->DV - 1, decimals);
    printf("\n   o%lld = [", (long long)query + 1);
    for (int64_t c = 0; c < s->DV; c++) printf("%s%.3f", c ? "  " : "", sum[(s->S - 1) * s->DV + c]);
    printf("] / %.3f\n      = [", normalizer[s->S - 1]);
    for (int64_t c = 0; c < s->DV; c++) printf("%s%.3f", c ? "  " : "", output[c]);
    puts("]");
    free(room);
}

static void print_picture(const explain_steps *s)
{
    attn_seq_heat_map map;
    char *text;
    attn_seq_heat_map_init(&map);
    map.rows = s->T;
    map.columns = s->S;
    map.values = s->library_weights;
    map.row_axis = "queries";
    map.column_axis = "keys";
    map.title = "A as a picture";
    if (attn_seq_heat_map_draw(&map, terminal_colours(stdout), terminal_width(stdout), &text) != ATTN_OK) return;
    printf("\n%s", text);
    attn_seq_free(text);
}

void explain_print(const explain_steps *s, int64_t query)
{
    printf("%sAttention, step by step%s\n", on(COLOUR_HEADING), on(COLOUR_PLAIN));
    formula("O = softmax(Q K^T / sqrt(d)) V");
    print_input(s);
    print_similarity(s);
    print_weights(s);
    if (colour_shown(stdout)) print_picture(s);
    print_output(s);
    print_by_key(s, query);
    heading(6, "The library");
    printf("   attn_weights and attn_forward, in 32-bit floats, give the same A and O:\n"
           "   the largest difference is %.1e in A (rounding explains %.1e) and %.1e in O (%.1e).\n",
           s->weights_difference, s->weights_tolerance, s->output_difference, s->output_tolerance);
}
