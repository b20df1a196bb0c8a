#include "base/replace_file.h"
#include "base/status.h"
#include "view/attended.h"

#include <math.h>
#include <stdio.h>

#define MOST_WEIGHTS ((int64_t)1 << 27) /* 1 GB of digits */

/* All digits of fp32, with a point in every locale. */
static void put_number(FILE *out, float x)
{
    char text[32];
    if (!isfinite(x)) {
        fputs("null", out);
        return;
    }
    snprintf(text, sizeof text, "%.9g", (double)x);
    for (char *c = text; *c; c++) {
        bool own = (*c >= '0' && *c <= '9') || *c == '-' || *c == '+' || *c == 'e';
        fputc(own ? *c : '.', out);
    }
}

/* Nested lists, one for each dimension; returns what follows the values that were put. */
static const float *put_array(FILE *out, const float *values, const int64_t *shape, int rank)
{
    fputc('[', out);
    for (int64_t i = 0; i < shape[0]; i++) {
        if (i) fputc(',', out);
        if (rank > 1)
            values = put_array(out, values, shape + 1, rank - 1);
        else
            put_number(out, *values++);
    }
    fputc(']', out);
    return values;
}

static void put_patches(FILE *out, const attn_seq_patches *p)
{
    if (!p) {
        fputs(",\"patches\":null", out);
        return;
    }
    fprintf(out,
            ",\"patches\":{\"leading\":%lld,\"rows\":%lld,\"columns\":%lld,\"width\":%lld,\"height\":%lld,"
            "\"step_x\":%lld,\"step_y\":%lld}",
            (long long)p->leading, (long long)p->rows, (long long)p->columns, (long long)p->width, (long long)p->height,
            (long long)p->step_x, (long long)p->step_y);
}

static bool put_attention(FILE *out, const attn_seq_attention *a)
{
    const int64_t shape[] = {a->layers, a->heads, a->rows, a->columns};
    fprintf(out, "{\"kind\":\"%s\"", attended_kind_name(a->kind));
    if (!attended_put_labels(out, "rows", a->row_labels, a->rows)) return false;
    if (!attended_put_labels(out, "columns", a->column_labels, a->columns)) return false;
    fputs(",\"weights\":", out);
    put_array(out, a->weights, shape, 4);
    put_patches(out, a->patches);
    fputc('}', out);
    return true;
}

static bool put_input(FILE *out, const attn_seq_attended *a)
{
    fprintf(out, "{\"task\":\"%s\",\"source\":", attended_task_name(a->task));
    if (!attended_put_string(out, a->source)) return false;
    fputs(",\"target\":", out);
    if (!attended_put_string(out, a->target)) return false;
    fputs(",\"attention\":[", out);
    for (size_t k = 0; k < a->attention_count; k++) {
        if (k) fputc(',', out);
        if (!put_attention(out, &a->attention[k])) return false;
    }
    fputs("]}", out);
    return true;
}

attn_status attn_seq_attention_write_json(const attn_seq_attended *inputs, size_t count, const char *path)
{
    attn_status status = attended_check(inputs, count, path, MOST_WEIGHTS, "the file");
    if (status != ATTN_OK) return status;
    replace_file *file;
    status = replace_file_open(&file, path);
    if (status != ATTN_OK) return status;
    FILE *out = replace_file_stream(file);
    bool good = true;
    for (size_t i = 0; i < count && good; i++) {
        fputs(i ? ",\n" : "[", out);
        good = put_input(out, &inputs[i]);
    }
    fputs("]\n", out);
    if (good) return replace_file_commit(file);
    replace_file_discard(file);
    return status_fail(ATTN_ERROR_MEMORY, "%s: no memory for %zu inputs", path, count);
}
