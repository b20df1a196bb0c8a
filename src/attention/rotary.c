#include "attention/rotary.h"

#include "attention/array_check.h"
#include "attention/descriptor.h"
#include "attention/elements.h"
#include "attention/staged_rows.h"
#include "base/checked.h"
#include "base/order.h"
#include "base/parallel.h"
#include "base/status.h"

#include <math.h>
#include <string.h>

void attn_rotary_init(attn_rotary *rotary, size_t struct_size, attn_rotary_kind kind, int64_t P, int64_t R,
                      const float *cosines, const float *sines)
{
    if (!rotary) return;
    const attn_rotary r = {
        .struct_size = struct_size, .kind = kind, .P = P, .R = R, .cosines = cosines, .sines = sines};
    descriptor_give(rotary, struct_size, &r, sizeof r);
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
    attn_status status = array_check_list("rotary: cosines", cosines, sizeof *cosines);
    return status ? status : array_check_list("rotary: sines", sines, sizeof *sines);
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

/* A row that is turned to a position. */
typedef struct turned_row {
    attn_dtype type;
    const void *x;
    const float *cosines, *sines;
} turned_row;

/* Columns c .. c + count - 1, whose partners stand `apart` columns on; own: as they are. */
static void turn_halves(const turned_row *t, const float *own, int64_t c, int64_t count, int64_t apart, float *out)
{
    float stage[ROTARY_COLUMNS];
    const float *other = staged_columns_read(kernels_table(), t->type, t->x, c + apart, count, stage);
    const int64_t pair = apart < 0 ? c + apart : c;
    for (int64_t n = 0; n < count; n++) {
        const float turned = own[n] * t->cosines[pair + n], added = other[n] * t->sines[pair + n];
        out[n] = apart < 0 ? added + turned : turned - added;
    }
}

/* The same where partners are neighbours. */
static void turn_neighbours(const turned_row *t, const float *own, int64_t c, int64_t count, float *out)
{
    for (int64_t n = 0; n < count; n += 2) {
        const float cosine = t->cosines[(c + n) / 2], sine = t->sines[(c + n) / 2];
        out[n] = own[n] * cosine - own[n + 1] * sine;
        out[n + 1] = own[n] * sine + own[n + 1] * cosine;
    }
}

void rotary_columns(const attn_rotary *r, int64_t p, attn_dtype type, const void *x, int64_t first, int64_t count,
                    float *out)
{
    const int64_t half = r->R / 2, row = (p < 0 ? 0 : p) * half, last = first + count, left = least(last, r->R);
    const turned_row t = {type, x, half ? r->cosines + row : NULL, half ? r->sines + row : NULL};
    float stage[ROTARY_COLUMNS];
    const float *own = staged_columns_read(kernels_table(), type, x, first, count, stage);
    int64_t c = first;
    if (r->kind == ATTN_ROTARY_INTERLEAVED && c < left) {
        turn_neighbours(&t, own, c, left - c, out);
        c = left;
    }
    for (int64_t end; c < left; c = end) {
        end = c < half ? least(left, half) : left;
        turn_halves(&t, own + c - first, c, end - c, c < half ? half : -half, out + c - first);
    }
    if (c < last) memcpy(out + c - first, own + c - first, (size_t)(last - c) * sizeof *out);
}

void rotary_row(const attn_rotary *r, int64_t p, attn_dtype type, const void *x, void *y, int64_t D)
{
    const kernel_table *table = kernels_table();
    const int64_t half = r->kind == ATTN_ROTARY_HALVES ? r->R / 2 : 0;
    float one[ROTARY_COLUMNS], other[ROTARY_COLUMNS];
    for (int64_t c = 0; c < half; c += ROTARY_COLUMNS) {
        const int64_t count = least(half - c, ROTARY_COLUMNS);
        rotary_columns(r, p, type, x, c, count, one);
        rotary_columns(r, p, type, x, half + c, count, other);
        staged_columns_write(table, type, one, y, c, count);
        staged_columns_write(table, type, other, y, half + c, count);
    }
    for (int64_t c = 2 * half; c < D; c += ROTARY_COLUMNS) {
        const int64_t count = least(D - c, ROTARY_COLUMNS);
        rotary_columns(r, p, type, x, c, count, one);
        staged_columns_write(table, type, one, y, c, count);
    }
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
    const int64_t first =
        plan->r.R ? first_position(plan, b) : 0; /* without angles, not checked to have a sum with i */
    for (int64_t i = 0; i < d->T; i++)
        rotary_row(&plan->r, first + i, d->dtype, row_at(d->dtype, &d->q, b, h, i),
                   output_row_at(d->dtype, &plan->y, b, h, i), d->D);
}

static attn_status check_positions(const rotate_plan *plan)
{
    attn_status status = ATTN_OK;
    const bool apart = plan->lengths || plan->d.query_offsets; /* else one position for all */
    for (int64_t b = 0; b < (apart ? plan->d.B : plan->d.B > 0) && plan->d.T && !status; b++) {
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
    if (!status) status = array_check_view("q", &d->q, d->dtype, d->B, d->H, d->T, d->D);
    if (!status) status = array_check_output("y", y, d->dtype, d->B, d->H, d->T, d->D);
    if (!status) status = array_check_list("lengths", lengths, sizeof *lengths);
    if (!status) status = array_check_list("query_offsets", d->query_offsets, sizeof *d->query_offsets);
    for (int64_t b = 0; lengths && b < d->B && !status; b++) {
        if (lengths[b] < 0)
            status = status_fail(ATTN_ERROR_ARGUMENT, "lengths[%lld] = %lld, expected at least 0", (long long)b,
                                 (long long)lengths[b]);
    }
    if (!status) status = check_positions(&plan);
    if (!status && d->T && d->D) parallel_run(&d->parallel, d->B * d->H, rotate_task, &plan);
    return status;
}
