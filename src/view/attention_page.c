/* The page is attention_page.html, embedded whole; only the data, JSON, is put in at its mark. JSON's strings escape
 * every character that HTML could take for markup, so that nothing in a sentence can end the script that holds it. */
#include "base/checked.h"
#include "base/replace_file.h"
#include "base/status.h"
#include "view/attention_page_text.h"
#include "view/colour_scale.h"
#include "view/label.h"

#include "attn/seq.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_WEIGHTS ((int64_t)1 << 25)
#define MOST_CHARACTERS 10000 /* of one text */
#define UNIT 10000            /* a weight of 1 */

static const char mark[] = "@DATA@";
static const char *const kind_names[] = {[ATTN_SEQ_ATTENTION_CROSS] = "cross",
                                         [ATTN_SEQ_ATTENTION_ENCODER] = "encoder",
                                         [ATTN_SEQ_ATTENTION_DECODER] = "decoder"};

static attn_status check_attention(const attn_seq_attention *a, int64_t *total)
{
    if (a->kind < ATTN_SEQ_ATTENTION_CROSS || a->kind > ATTN_SEQ_ATTENTION_DECODER)
        return status_fail(ATTN_ERROR_ARGUMENT, "attention kind %d, expected 0 to %d", (int)a->kind,
                           ATTN_SEQ_ATTENTION_DECODER);
    if (!a->weights || !a->row_labels || !a->column_labels)
        return status_fail(ATTN_ERROR_ARGUMENT, "%s attention: the %s are NULL", kind_names[a->kind],
                           a->weights ? "labels" : "weights");
    int64_t sizes[] = {a->layers, a->heads, a->rows, a->columns}, count = 1;
    for (int i = 0; i < 4; i++)
        if (sizes[i] < 1 || !checked_mul_i64(count, sizes[i], &count))
            return status_fail(ATTN_ERROR_ARGUMENT, "%s attention: %lld layers, %lld heads, %lld rows, %lld columns",
                               kind_names[a->kind], (long long)a->layers, (long long)a->heads, (long long)a->rows,
                               (long long)a->columns);
    if (checked_add_i64(*total, count, total) && *total <= MOST_WEIGHTS) return ATTN_OK;
    return status_fail(ATTN_ERROR_ARGUMENT, "the page would hold %lld or more weights, and at most %lld are sensible",
                       (long long)*total, (long long)MOST_WEIGHTS);
}

static attn_status check(const attn_seq_attention_sentence *sentences, size_t count, const char *path)
{
    if (!sentences || !path || !count)
        return status_fail(ATTN_ERROR_ARGUMENT, "the page has no %s", path ? "sentence" : "path");
    int64_t total = 0;
    for (size_t i = 0; i < count; i++) {
        const attn_seq_attention_sentence *s = &sentences[i];
        if (!s->source || !s->target || !s->attention || !s->attention_count)
            return status_fail(ATTN_ERROR_ARGUMENT, "sentence %zu has no %s", i + 1,
                               s->source && s->target ? "attention" : "text");
        for (size_t k = 0; k < s->attention_count; k++) {
            attn_status status = check_attention(&s->attention[k], &total);
            if (status != ATTN_OK) return status;
        }
    }
    return ATTN_OK;
}

/* false without memory */
static bool put_string(FILE *out, const char *text)
{
    char *clean = label_clean(text, MOST_CHARACTERS);
    if (!clean) return false;
    fputc('"', out);
    for (const char *c = clean; *c; c++) {
        if (strchr("\"\\<>&'", *c))
            fprintf(out, "\\u%04x", (unsigned)(unsigned char)*c);
        else
            fputc(*c, out);
    }
    fputc('"', out);
    free(clean);
    return true;
}

static bool put_labels(FILE *out, const char *name, const char *const *labels, int64_t count)
{
    fprintf(out, ",\"%s\":[", name);
    for (int64_t i = 0; i < count; i++) {
        if (i) fputc(',', out);
        if (!put_string(out, labels[i])) return false;
    }
    fputc(']', out);
    return true;
}

/* Whole numbers: short in the file, and the same in every locale. */
static void put_weights(FILE *out, const float *weights, int64_t count)
{
    fputs(",\"weights\":[", out);
    for (int64_t i = 0; i < count; i++) {
        double w = weights[i] >= 0 ? weights[i] : 0; /* NaN too */
        fprintf(out, i ? ",%ld" : "%ld", lround(UNIT * (w > 1 ? 1 : w)));
    }
    fputc(']', out);
}

static bool put_attention(FILE *out, const attn_seq_attention *a)
{
    fprintf(out, "{\"kind\":\"%s\",\"layers\":%lld,\"heads\":%lld", kind_names[a->kind], (long long)a->layers,
            (long long)a->heads);
    if (!put_labels(out, "rows", a->row_labels, a->rows)) return false;
    if (!put_labels(out, "columns", a->column_labels, a->columns)) return false;
    put_weights(out, a->weights, a->layers * a->heads * a->rows * a->columns);
    fputc('}', out);
    return true;
}

static bool put_sentence(FILE *out, const attn_seq_attention_sentence *s)
{
    fputs("{\"source\":", out);
    if (!put_string(out, s->source)) return false;
    fputs(",\"target\":", out);
    if (!put_string(out, s->target)) return false;
    fputs(",\"attention\":[", out);
    for (size_t k = 0; k < s->attention_count; k++) {
        if (k) fputc(',', out);
        if (!put_attention(out, &s->attention[k])) return false;
    }
    fputs("]}", out);
    return true;
}

static void put_scale(FILE *out)
{
    colour_scale scale;
    colour_scale_fill(&scale);
    for (int i = 0; i < COLOUR_SCALE_STEPS; i++)
        fprintf(out, "%s\"#%02x%02x%02x\"", i ? "," : "", scale.step[i].red, scale.step[i].green, scale.step[i].blue);
}

static bool put_data(FILE *out, const attn_seq_attention_sentence *sentences, size_t count)
{
    fputs("{\"scale\":[", out);
    put_scale(out);
    fputs("],\"sentences\":[", out);
    for (size_t i = 0; i < count; i++) {
        if (i) fputc(',', out);
        if (!put_sentence(out, &sentences[i])) return false;
    }
    fputs("]}", out);
    return true;
}

attn_status attn_seq_attention_write_html(const attn_seq_attention_sentence *sentences, size_t count, const char *path)
{
    attn_status status = check(sentences, count, path);
    if (status != ATTN_OK) return status;
    replace_file *file;
    status = replace_file_open(&file, path);
    if (status != ATTN_OK) return status;
    FILE *out = replace_file_stream(file);
    const char *page = (const char *)attention_page_text, *rest = strstr(page, mark);
    fwrite(page, 1, (size_t)(rest - page), out);
    if (!put_data(out, sentences, count)) {
        replace_file_discard(file);
        return status_fail(ATTN_ERROR_MEMORY, "%s: no memory for a page of %zu sentences", path, count);
    }
    fputs(rest + strlen(mark), out);
    return replace_file_commit(file);
}
