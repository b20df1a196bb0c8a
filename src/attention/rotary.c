#include "attention/rotary.h"

#include "attention/descriptor.h"
#include "attention/staged_rows.h"
#include "base/checked.h"
#include "base/order.h"
#include "base/parallel.h"
#include "base/status.h"

#include <math.h>
#include <string.h>

/* Columns that are turned before they are written: even, so that no pair of neighbours is parted. */
#define COLUMNS 64

void attn_rotary_init(attn_rotary *rotary, size_t struct_size, attn_rotary_kind kind, int64_t P, int64_t R,
                      const float *cosines, const float *sines)
{
    if (!rotary) return;
    const attn_rotary r = {
        .struct_size = struct_size, .kind = kind, .P = P, .R = R, .cosines = cosines, .sines = sines};
    size_t known = struct_size < sizeof r ? struct_size : sizeof r;
    memcpy(rotary, &r, known);
    memset((char *)rotary + known, 0, struct_size - known);
}

static attn_status check_table(int64_t P, int64_t R, const float *cosines, const float *sines)
{
    int64_t count;
    if (P < 0) return status_fail(ATTN_ERROR_ARGUMENT, "rotary: P = %lld, expected at least 0", (long long)P);
    if (R < 0 || R % 2)
        return status_fail(ATTN_ERROR_ARGUMENT, "rotary: R = %lld, expected an even number, at least 0", (long long)R);
    if (!checked_mul_i64(P, R, &count) || count > INT64_MAX / 16)
        return status_fail(ATTN_ERROR_OVERFLOW, "rotary: P = %lld times R = %lld does not fit, expected at most 2^59",
                           (long long)P, (long long)R);
    if (count && !(cosines && sines))
        return status_fail(ATTN_ERROR_ARGUMENT, "rotary: %s is NULL, expected %lld x %lld numbers",
                           cosines ? "sines" : "cosines", (long long)P, (long long)R / 2);
    attn_status status = descriptor_check_list("rotary: cosines", cosines, sizeof *cosines);
    return status ? status : descriptor_check_list("rotary: sines", sines, sizeof *sines);
}

attn_status attn_rotary_fill(float *cosines, float *sines, int64_t P, int64_t R, double base)
{
    attn_status status = check_table(P, R, cosines, sines);
    if (status) return status;
    if (!(base > 0) || !isfinite(base))
        return status_fail(ATTN_ERROR_ARGUMENT, "rotary: base = %g, expected a finite number above 0", base);
    for (int64_t n = 0; P && n < R / 2; n++) {
        double theta = pow(base, -2.0 * (double)n / (double)R);
        for (int64_t p = 0; p < P; p++) {
            cosines[p * (R / 2) + n] = (float)cos((double)p * theta);
            sines[p * (R / 2) + n] = (float)sin((double)p * theta);
        }
    }
    return ATTN_OK;
}

attn_status rotary_read(const attn_rotary *rotary, int64_t D, attn_rotary *r)
{
    memset(r, 0, sizeof *r);
    if (!rotary) return ATTN_OK;
    size_t given = rotary->struct_size;
    if (given < sizeof *r)
        return status_fail(ATTN_ERROR_ARGUMENT, "rotary: struct_size = %zu, expected %zu: was attn_rotary_init called?",
                           given, sizeof *r);
    memcpy(r, rotary, sizeof *r);
    attn_status later = descriptor_check_later("rotary:", rotary, given, sizeof *r);
    if (later) return later;
    if (r->kind != ATTN_ROTARY_INTERLEAVED && r->kind != ATTN_ROTARY_HALVES)
        return status_fail(ATTN_ERROR_UNSUPPORTED,
                           "rotary: kind = %d, expected ATTN_ROTARY_INTERLEAVED (%d) or ATTN_ROTARY_HALVES (%d)",
                           (int)r->kind, (int)ATTN_ROTARY_INTERLEAVED, (int)ATTN_ROTARY_HALVES);
    if (r->R > D)
        return status_fail(ATTN_ERROR_ARGUMENT, "rotary: R = %lld, expected at most D = %lld", (long long)r->R,
                           (long long)D);
    return check_table(r->P, r->R, r->cosines, r->sines);
}

attn_status rotary_check_position(const attn_rotary *r, int64_t b, int64_t p)
{
    if (!r->R || (p < 0 ? 0 : p) < r->P) return ATTN_OK;
    return status_fail(ATTN_ERROR_ARGUMENT,
                       "rotary: P = %lld, expected more than %lld, the last position of sequence %lld", (long long)r->P,
                       (long long)p, (long long)b);
}

void rotary_columns(const attn_rotary *r, int64_t p, const float *x, int64_t first, int64_t count, float *out)
{
    const int64_t half = r->R / 2, row = (p < 0 ? 0 : p) * half, last = first + count;
    const float *cosines = half ? r->cosines + row : NULL, *sines = half ? r->sines + row : NULL; /* NULL tables */
    int64_t c = first;
    for (; r->kind == ATTN_ROTARY_INTERLEAVED && c < least(last, r->R); c += 2) {
        out[c - first] = x[c] * cosines[c / 2] - x[c + 1] * sines[c / 2];
        out[c - first + 1] = x[c] * sines[c / 2] + x[c + 1] * cosines[c / 2];
    }
    for (; c < least(last, half); c++) out[c - first] = x[c] * cosines[c] - x[c + half] * sines[c];
    for (; c < least(last, r->R); c++) out[c - first] = x[c - half] * sines[c - half] + x[c] * cosines[c - half];
    for (; c < last; c++) out[c - first] = x[c];
}

/* Columns c .. c + count - 1 of a row, at most COLUMNS: where they stand, or made fp32 in the stage. */
static const float *read_columns(attn_dtype type, const void *row, int64_t c, int64_t count, float *stage)
{
    const attn_view view = {(const char *)row + c * element_size(type), 0, 0, 0};
    return staged_rows_read(kernels_table(), type, &view, 0, 0, 0, 1, count, stage).data;
}

static void write_columns(attn_dtype type, const float *turned, void *row, int64_t c, int64_t count)
{
    const attn_output view = {(char *)row + c * element_size(type), 0, 0, 0};
    if (staged_type(type))
        staged_rows_write(kernels_table(), type, turned, &view, 0, 0, 0, 1, count);
    else
        memcpy(view.data, turned, (size_t)count * sizeof *turned);
}

/* Columns c .. c + count - 1 of the first half of R, with those of the second half that they make pairs with. */
static void turn_halves(const attn_rotary *r, int64_t p, attn_dtype type, const void *x, void *y, int64_t c,
                        int64_t count)
{
    const int64_t half = r->R / 2;
    const float *cosines = r->cosines + p * half + c, *sines = r->sines + p * half + c;
    float stages[2][COLUMNS], first[COLUMNS], second[COLUMNS];
    const float *a = read_columns(type, x, c, count, stages[0]), *b = read_columns(type, x, half + c, count, stages[1]);
    for (int64_t n = 0; n < count; n++) {
        first[n] = a[n] * cosines[n] - b[n] * sines[n];
        second[n] = a[n] * sines[n] + b[n] * cosines[n];
    }
    write_columns(type, first, y, c, count);
    write_columns(type, second, y, half + c, count);
}

/* Columns c .. c + count - 1, neighbours the pairs of those below R. */
static void turn_neighbours(const attn_rotary *r, int64_t p, attn_dtype type, const void *x, void *y, int64_t c,
                            int64_t count)
{
    float stage[COLUMNS], turned[COLUMNS];
    const float *from = read_columns(type, x, c, count, stage);
    int64_t n = 0;
    for (; n < least(count, r->R - c); n += 2) {
        const float cosine = r->cosines[p * (r->R / 2) + (c + n) / 2], sine = r->sines[p * (r->R / 2) + (c + n) / 2];
        turned[n] = from[n] * cosine - from[n + 1] * sine;
        turned[n + 1] = from[n] * sine + from[n + 1] * cosine;
    }
    for (; n < count; n++) turned[n] = from[n];
    write_columns(type, turned, y, c, count);
}

void rotary_row(const attn_rotary *r, int64_t p, attn_dtype type, const void *x, void *y, int64_t D)
{
    const int64_t half = r->kind == ATTN_ROTARY_HALVES ? r->R / 2 : 0, first = p < 0 ? 0 : p;
    for (int64_t c = 0; c < half; c += COLUMNS) turn_halves(r, first, type, x, y, c, least(half - c, COLUMNS));
    for (int64_t c = 2 * half; c < D; c += COLUMNS) turn_neighbours(r, first, type, x, y, c, least(D - c, COLUMNS));
}

typedef struct rotate_plan {
    attn_desc d;
    attn_rotary r;
    attn_output y;
    const int64_t *lengths; /* or NULL */
} rotate_plan;

/* Where query 0 of sequence b stands. */
static int64_t first_position(const rotate_plan *plan, int64_t b)
{
    const attn_desc *d = &plan->d;
    if (d->query_offsets) return d->query_offsets[b];
    return plan->lengths ? plan->lengths[b] - d->T : d->query_offset;
}

static void rotate_task(void *argument, int64_t task, int worker)
{
    (void)worker;
    const rotate_plan *plan = argument;
    const attn_desc *d = &plan->d;
    int64_t b = task / d->H, h = task % d->H;
    int64_t first =
        plan->r.R ? first_position(plan, b) : 0; /* without angles it was not checked to have a sum with i */
    for (int64_t i = 0; i < d->T; i++) {
        const int64_t from = b * d->q.batch + h * d->q.head + i * d->q.row;
        const int64_t to = b * plan->y.batch + h * plan->y.head + i * plan->y.row, size = element_size(d->dtype);
        rotary_row(&plan->r, first + i, d->dtype, (const char *)d->q.data + from * size,
                   (char *)plan->y.data + to * size, d->D);
    }
}

static attn_status check_positions(const rotate_plan *plan)
{
    attn_status status = ATTN_OK;
    for (int64_t b = 0; b < plan->d.B && plan->d.T && !status; b++) {
        int64_t first = first_position(plan, b), last;
        if (!checked_add_i64(first, plan->d.T - 1, &last)) last = INT64_MAX;
        status = rotary_check_position(&plan->r, b, last);
    }
    return status;
}

attn_status attn_rotate(const attn_desc *desc, const int64_t *lengths, const attn_rotary *rotary, const attn_output *y)
{
    rotate_plan plan = {.lengths = lengths};
    attn_status status = descriptor_read(desc, &plan.d);
    if (!status) status = descriptor_check_unpacked(&plan.d, "attn_rotate");
    if (!status) status = descriptor_check_narrow(&plan.d, "attn_rotate");
    if (status) return status;
    const attn_desc *d = &plan.d;
    if (!rotary) return status_fail(ATTN_ERROR_ARGUMENT, "rotary is NULL, expected a table");
    if (!y) return status_fail(ATTN_ERROR_ARGUMENT, "y is NULL, expected an output");
    plan.y = *y;
    status = rotary_read(rotary, d->D, &plan.r);
    if (!status) status = descriptor_check_view("q", &d->q, d->dtype, d->B, d->H, d->T, d->D);
    if (!status) status = descriptor_check_output("y", y, d->dtype, d->B, d->H, d->T, d->D);
    if (!status) status = descriptor_check_list("lengths", lengths, sizeof *lengths);
    if (!status) status = descriptor_check_list("query_offsets", d->query_offsets, sizeof *d->query_offsets);
    for (int64_t b = 0; lengths && b < d->B && !status; b++) {
        if (lengths[b] < 0)
            status = status_fail(ATTN_ERROR_ARGUMENT, "lengths[%lld] = %lld, expected at least 0", (long long)b,
                                 (long long)lengths[b]);
    }
    if (!status) status = check_positions(&plan);
    if (!status && d->T && d->D) parallel_run(&d->parallel, d->B * d->H, rotate_task, &plan);
    return status;
}
