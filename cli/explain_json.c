#include "explain.h"
#include "json.h"

#include <stdlib.h>

static void put(const char *name, const double *values, int64_t rows, int64_t columns)
{
    printf(",\n \"%s\": ", name);
    json_matrix(stdout, values, rows, columns);
}

static void put_float(const char *name, const float *values, int64_t rows, int64_t columns)
{
    printf(",\n \"%s\": ", name);
    json_matrix_float(stdout, values, rows, columns);
}

static void put_number(const char *name, double number)
{
    printf(",\n \"%s\": ", name);
    json_number(stdout, number);
}

/* For each query the sums after each key. */
static void put_by_key(const explain_steps *s)
{
    size_t sums = (size_t)(s->S * s->DV);
    double *room = malloc((sums + (size_t)s->S + (size_t)s->DV) * sizeof *room);
    if (!room) return;
    fputs(",\n \"by_key\": [", stdout);
    for (int64_t i = 0; i < s->T; i++) {
        explain_by_key(s, i, room, room + sums, room + sums + s->S);
        fputs(i ? ",\n  {\"sum\": " : "\n  {\"sum\": ", stdout);
        json_matrix(stdout, room, s->S, s->DV);
        fputs(", \"normalizer\": ", stdout);
        json_matrix(stdout, room + sums, 1, s->S);
        fputs(", \"output\": ", stdout);
        json_matrix(stdout, room + sums + s->S, 1, s->DV);
        fputc('}', stdout);
    }
    fputc(']', stdout);
    free(room);
}

void explain_print_json(const explain_steps *s)
{
    printf("{\"T\": %lld, \"S\": %lld, \"D\": %lld, \"DV\": %lld", (long long)s->T, (long long)s->S, (long long)s->D,
           (long long)s->DV);
    put_number("scale", s->scale);
    put_float("queries", s->q.values, s->T, s->D);
    put_float("keys", s->k.values, s->S, s->D);
    put_float("values", s->v.values, s->S, s->DV);
    put("similarity", s->similarity, s->T, s->S);
    put("scaled", s->scaled, s->T, s->S);
    put("largest", s->largest, 1, s->T);
    put("exponentials", s->exponential, s->T, s->S);
    put("normalizers", s->normalizer, 1, s->T);
    put("weights", s->weights, s->T, s->S);
    put("weights_without_scale", s->unscaled, s->T, s->S);
    put("output", s->output, s->T, s->DV);
    put_by_key(s);
    put_float("library_weights", s->library_weights, s->T, s->S);
    put_float("library_output", s->library_output, s->T, s->DV);
    put_number("weights_difference", s->weights_difference);
    put_number("output_difference", s->output_difference);
    puts("}");
}
