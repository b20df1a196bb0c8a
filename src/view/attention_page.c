/* The page is attention_page.html with page_style.css and the page_*.js put in, embedded whole; only the data, JSON, is
 * put in at its mark. JSON's strings escape every character that HTML could take for markup, so that nothing in a
 * sentence can end the script that holds it. */
#include "base/replace_file.h"
#include "base/status.h"
#include "view/attended.h"
#include "view/attention_page_text.h"
#include "view/base64.h"
#include "view/colour_scale.h"
#include "view/largest_weights.h"

#include "attn/seq.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_WEIGHTS ((int64_t)1 << 28) /* that are looked through */
#define MOST_NUMBERS ((int64_t)1 << 25) /* of 2 bytes, that the page holds */
#define WHOLE ((int64_t)1 << 22)        /* weights that are all kept */
#define FEWEST 16                       /* of a row, that are kept of more */
#define UNIT 65535                      /* a weight of 1 */

static const char mark[] = "@DATA@";

typedef struct page {
    FILE *out;
    int64_t keep; /* weights of each row */
    placed_weight *largest;
} page;

static uint16_t quantized(float weight)
{
    double w = weight >= 0 ? weight : 0; /* NaN too */
    return (uint16_t)lround(UNIT * (w > 1 ? 1 : w));
}

static void put_row(const page *p, base64 *b, const float *row, int64_t columns)
{
    for (int64_t j = 0; columns <= p->keep && j < columns; j++) base64_put_16(b, quantized(row[j]));
    if (columns <= p->keep) return;
    largest_weights(row, columns, p->keep, p->largest);
    for (int64_t e = 0; e < p->keep; e++) {
        base64_put_16(b, (uint16_t)p->largest[e].column);
        base64_put_16(b, quantized(p->largest[e].weight));
    }
}

/* How much of the weights is in those that are kept. */
static double kept_share(const page *p, const attn_seq_attention *a)
{
    double all = 0, kept = 0;
    for (int64_t i = 0; i < a->layers * a->heads * a->rows; i++) {
        const float *row = a->weights + i * a->columns;
        for (int64_t j = 0; j < a->columns; j++) all += row[j] > 0 ? row[j] : 0;
        largest_weights(row, a->columns, p->keep, p->largest);
        for (int64_t e = 0; e < p->keep; e++) kept += p->largest[e].weight;
    }
    return all > 0 ? kept / all : 1;
}

static void put_weights(const page *p, const attn_seq_attention *a)
{
    if (a->columns > p->keep) {
        int thousandths = (int)lround(1000 * kept_share(p, a)); /* no point that a locale could make a comma */
        fprintf(p->out, ",\"kept\":%lld,\"share\":%de-3", (long long)p->keep, thousandths);
    } else {
        fputs(",\"kept\":0", p->out);
    }
    fputs(",\"weights\":\"", p->out);
    base64 b = {.out = p->out};
    for (int64_t i = 0; i < a->layers * a->heads * a->rows; i++)
        put_row(p, &b, a->weights + i * a->columns, a->columns);
    base64_end(&b);
    fputc('"', p->out);
}

static void put_patches(FILE *out, const attn_seq_patches *p)
{
    const attn_seq_image *i = &p->picture;
    fprintf(out,
            ",\"patches\":{\"leading\":%lld,\"rows\":%lld,\"columns\":%lld,\"width\":%lld,\"height\":%lld,"
            "\"step_x\":%lld,\"step_y\":%lld,\"upward\":%s,"
            "\"picture\":{\"width\":%lld,\"height\":%lld,\"channels\":%lld},\"pixels\":\"",
            (long long)p->leading, (long long)p->rows, (long long)p->columns, (long long)p->width, (long long)p->height,
            (long long)p->step_x, (long long)p->step_y, p->upward ? "true" : "false", (long long)i->width,
            (long long)i->height, (long long)i->channels);
    base64 b = {.out = out};
    for (int64_t n = 0; n < i->width * i->height * i->channels; n++) base64_put(&b, i->pixels[n]);
    base64_end(&b);
    fputs("\"}", out);
}

static bool put_attention(const page *p, const attn_seq_attention *a)
{
    fprintf(p->out, "{\"kind\":\"%s\",\"layers\":%lld,\"heads\":%lld", attended_kind_name(a->kind),
            (long long)a->layers, (long long)a->heads);
    if (!attended_put_labels(p->out, "rows", a->row_labels, a->rows)) return false;
    if (!attended_put_labels(p->out, "columns", a->column_labels, a->columns)) return false;
    put_weights(p, a);
    if (a->patches) put_patches(p->out, a->patches);
    fputc('}', p->out);
    return true;
}

static bool put_input(const page *p, const attn_seq_attended *a)
{
    fprintf(p->out, "{\"task\":\"%s\",\"source\":", attended_task_name(a->task));
    if (!attended_put_string(p->out, a->source)) return false;
    fputs(",\"target\":", p->out);
    if (!attended_put_string(p->out, a->target)) return false;
    fputs(",\"attention\":[", p->out);
    for (size_t k = 0; k < a->attention_count; k++) {
        if (k) fputc(',', p->out);
        if (!put_attention(p, &a->attention[k])) return false;
    }
    fputs("]}", p->out);
    return true;
}

static void put_scale(FILE *out)
{
    colour_scale scale;
    colour_scale_fill(&scale);
    for (int i = 0; i < COLOUR_SCALE_STEPS; i++)
        fprintf(out, "%s\"#%02x%02x%02x\"", i ? "," : "", scale.step[i].red, scale.step[i].green, scale.step[i].blue);
}

static bool put_data(const page *p, const attn_seq_attended *inputs, size_t count)
{
    fputs("{\"scale\":[", p->out);
    put_scale(p->out);
    fputs("],\"inputs\":[", p->out);
    for (size_t i = 0; i < count; i++) {
        if (i) fputc(',', p->out);
        if (!put_input(p, &inputs[i])) return false;
    }
    fputs("]}", p->out);
    return true;
}

static int64_t rows_of(const attn_seq_attention *a)
{
    return a->layers * a->heads * a->rows;
}

/* All weights, where they fit; else as many of each row as fit, so that 2,000 tokens do. */
static attn_status choose_keep(page *p, const attn_seq_attended *inputs, size_t count)
{
    int64_t weights = 0, rows = 0, most_columns = 0, numbers = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < inputs[i].attention_count; k++) {
            const attn_seq_attention *a = &inputs[i].attention[k];
            weights += rows_of(a) * a->columns;
            rows += rows_of(a);
            if (a->columns > most_columns) most_columns = a->columns;
        }
    p->keep = weights <= WHOLE ? most_columns : WHOLE / 2 / rows;
    if (p->keep < FEWEST) p->keep = FEWEST;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < inputs[i].attention_count; k++) {
            const attn_seq_attention *a = &inputs[i].attention[k];
            numbers += rows_of(a) * (a->columns <= p->keep ? a->columns : 2 * p->keep);
            if (a->columns > p->keep && a->columns > 65536)
                return status_fail(ATTN_ERROR_ARGUMENT, "%lld columns are too many for a page", (long long)a->columns);
        }
    if (numbers <= MOST_NUMBERS) return ATTN_OK;
    return status_fail(ATTN_ERROR_ARGUMENT, "the page would hold %lld numbers, and at most %lld are sensible",
                       (long long)numbers, (long long)MOST_NUMBERS);
}

attn_status attn_seq_attention_write_html(const attn_seq_attended *inputs, size_t count, const char *path)
{
    page p = {0};
    attn_status status = attended_check(inputs, count, path, MOST_WEIGHTS, "the page");
    if (status == ATTN_OK) status = choose_keep(&p, inputs, count);
    if (status != ATTN_OK) return status;
    replace_file *file;
    status = replace_file_open(&file, path);
    if (status != ATTN_OK) return status;
    p.out = replace_file_stream(file);
    p.largest = malloc((size_t)p.keep * sizeof *p.largest);
    const char *text = (const char *)attention_page_text, *rest = strstr(text, mark);
    fwrite(text, 1, (size_t)(rest - text), p.out);
    bool good = p.largest && put_data(&p, inputs, count);
    free(p.largest);
    if (!good) {
        replace_file_discard(file);
        return status_fail(ATTN_ERROR_MEMORY, "%s: no memory for a page of %zu inputs", path, count);
    }
    fputs(rest + strlen(mark), p.out);
    return replace_file_commit(file);
}
