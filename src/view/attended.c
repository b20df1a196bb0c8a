#include "view/attended.h"

#include "base/checked.h"
#include "base/status.h"
#include "view/label.h"

#include <stdlib.h>
#include <string.h>

#define MOST_CHARACTERS 100000 /* of one text */
#define MOST_PIXELS ((int64_t)1 << 26)

static const char *const kind_names[] = {[ATTN_SEQ_ATTENTION_CROSS] = "cross",
                                         [ATTN_SEQ_ATTENTION_ENCODER] = "encoder",
                                         [ATTN_SEQ_ATTENTION_DECODER] = "decoder",
                                         [ATTN_SEQ_ATTENTION_POOLING] = "pooling"};
static const char *const task_names[] = {"translate", "summarize", "text", "image", "audio"};

const char *attended_kind_name(attn_seq_attention_kind kind)
{
    return kind_names[kind];
}

const char *attended_task_name(attn_seq_task task)
{
    return task_names[task];
}

/* The last patch of a side ends inside the picture. */
static bool inside(int64_t count, int64_t size, int64_t step, int64_t whole)
{
    int64_t last;
    return count >= 1 && size >= 1 && step >= 1 && checked_mul_i64(count - 1, step, &last) && size <= whole &&
           last <= whole - size;
}

attn_status patches_check(const attn_seq_patches *p)
{
    const attn_seq_image *i = &p->picture;
    int64_t pixels;
    if (!i->pixels || i->width < 1 || i->height < 1 || (i->channels != 1 && i->channels != 3) ||
        !checked_mul_i64(i->width, i->height, &pixels) || pixels > MOST_PIXELS)
        return status_fail(ATTN_ERROR_ARGUMENT,
                           "a picture of %lld x %lld pixels and %lld channels, expected pixels, and 1 or 3 channels",
                           (long long)i->width, (long long)i->height, (long long)i->channels);
    if (p->leading >= 0 && inside(p->rows, p->height, p->step_y, i->height) &&
        inside(p->columns, p->width, p->step_x, i->width))
        return ATTN_OK;
    return status_fail(ATTN_ERROR_ARGUMENT, "%lld x %lld patches do not lie in a picture of %lld x %lld pixels",
                       (long long)p->columns, (long long)p->rows, (long long)i->width, (long long)i->height);
}

static attn_status check_patches(const attn_seq_attention *a)
{
    if (!a->patches) return ATTN_OK;
    attn_status status = patches_check(a->patches);
    if (status != ATTN_OK) return status;
    int64_t positions = a->patches->leading + a->patches->rows * a->patches->columns;
    if (positions == a->columns) return ATTN_OK;
    return status_fail(ATTN_ERROR_ARGUMENT, "%lld patches and what leads them, expected the columns' %lld",
                       (long long)positions, (long long)a->columns);
}

static attn_status check_attention(const attn_seq_attention *a, int64_t *total, int64_t most, const char *what)
{
    if (a->kind < ATTN_SEQ_ATTENTION_CROSS || a->kind > ATTN_SEQ_ATTENTION_POOLING)
        return status_fail(ATTN_ERROR_ARGUMENT, "attention kind %d, expected 0 to %d", (int)a->kind,
                           ATTN_SEQ_ATTENTION_POOLING);
    if (!a->weights || !a->row_labels || !a->column_labels)
        return status_fail(ATTN_ERROR_ARGUMENT, "%s attention: the %s are NULL", kind_names[a->kind],
                           a->weights ? "labels" : "weights");
    int64_t sizes[] = {a->layers, a->heads, a->rows, a->columns}, count = 1;
    for (int i = 0; i < 4; i++)
        if (sizes[i] < 1 || !checked_mul_i64(count, sizes[i], &count))
            return status_fail(ATTN_ERROR_ARGUMENT, "%s attention: %lld layers, %lld heads, %lld rows, %lld columns",
                               kind_names[a->kind], (long long)a->layers, (long long)a->heads, (long long)a->rows,
                               (long long)a->columns);
    if (!checked_add_i64(*total, count, total) || *total > most)
        return status_fail(ATTN_ERROR_ARGUMENT, "%s would hold %lld or more weights, and at most %lld are sensible",
                           what, (long long)*total, (long long)most);
    return check_patches(a);
}

static attn_status check_input(const attn_seq_attended *a, int64_t *total, int64_t most, const char *what)
{
    if (a->task < ATTN_SEQ_TASK_TRANSLATE || a->task > ATTN_SEQ_TASK_CLASSIFY_AUDIO)
        return status_fail(ATTN_ERROR_ARGUMENT, "task %d, expected 0 to %d", (int)a->task,
                           ATTN_SEQ_TASK_CLASSIFY_AUDIO);
    if (!a->source || !a->target || !a->attention || !a->attention_count)
        return status_fail(ATTN_ERROR_ARGUMENT, "an input has no %s", a->source && a->target ? "attention" : "text");
    attn_status status = ATTN_OK;
    for (size_t k = 0; k < a->attention_count && !status; k++)
        status = check_attention(&a->attention[k], total, most, what);
    return status;
}

attn_status attended_check(const attn_seq_attended *inputs, size_t count, const char *path, int64_t most,
                           const char *what)
{
    if (!inputs || !path || !count)
        return status_fail(ATTN_ERROR_ARGUMENT, "%s has no %s", what, path ? "input" : "path");
    int64_t total = 0;
    attn_status status = ATTN_OK;
    for (size_t i = 0; i < count && !status; i++) status = check_input(&inputs[i], &total, most, what);
    return status;
}

bool attended_put_string(FILE *out, const char *text)
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

bool attended_put_labels(FILE *out, const char *name, const char *const *labels, int64_t count)
{
    fprintf(out, ",\"%s\":[", name);
    for (int64_t i = 0; i < count; i++) {
        if (i) fputc(',', out);
        if (!attended_put_string(out, labels[i])) return false;
    }
    fputc(']', out);
    return true;
}
