/* The page is attention_page.html, embedded whole; only the data, JSON, is put in at its mark. JSON's strings escape
 * every character that HTML could take for markup, so that nothing in a sentence can end the script that holds it. */
#include "base/replace_file.h"
#include "base/status.h"
#include "view/attended.h"
#include "view/attention_page_text.h"
#include "view/colour_scale.h"

#include "attn/seq.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_WEIGHTS ((int64_t)1 << 25)
#define UNIT 10000 /* a weight of 1 */

static const char mark[] = "@DATA@";
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
    fprintf(out, "{\"kind\":\"%s\",\"layers\":%lld,\"heads\":%lld", attended_kind_name(a->kind), (long long)a->layers,
            (long long)a->heads);
    if (!attended_put_labels(out, "rows", a->row_labels, a->rows)) return false;
    if (!attended_put_labels(out, "columns", a->column_labels, a->columns)) return false;
    put_weights(out, a->weights, a->layers * a->heads * a->rows * a->columns);
    fputc('}', out);
    return true;
}

static bool put_sentence(FILE *out, const attn_seq_attended *s)
{
    fputs("{\"source\":", out);
    if (!attended_put_string(out, s->source)) return false;
    fputs(",\"target\":", out);
    if (!attended_put_string(out, s->target)) return false;
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

static bool put_data(FILE *out, const attn_seq_attended *inputs, size_t count)
{
    fputs("{\"scale\":[", out);
    put_scale(out);
    fputs("],\"sentences\":[", out);
    for (size_t i = 0; i < count; i++) {
        if (i) fputc(',', out);
        if (!put_sentence(out, &inputs[i])) return false;
    }
    fputs("]}", out);
    return true;
}

attn_status attn_seq_attention_write_html(const attn_seq_attended *inputs, size_t count, const char *path)
{
    attn_status status = attended_check(inputs, count, path, MOST_WEIGHTS, "the page");
    if (status != ATTN_OK) return status;
    replace_file *file;
    status = replace_file_open(&file, path);
    if (status != ATTN_OK) return status;
    FILE *out = replace_file_stream(file);
    const char *page = (const char *)attention_page_text, *rest = strstr(page, mark);
    fwrite(page, 1, (size_t)(rest - page), out);
    if (!put_data(out, inputs, count)) {
        replace_file_discard(file);
        return status_fail(ATTN_ERROR_MEMORY, "%s: no memory for a page of %zu sentences", path, count);
    }
    fputs(rest + strlen(mark), out);
    return replace_file_commit(file);
}
