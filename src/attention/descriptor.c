#include "attention/descriptor.h"

#include "attention/idle_strides.h"
#include "base/checked.h"
#include "base/parallel.h"
#include "base/status.h"
#include "cpu/cpu.h"

#include <math.h>
#include <string.h>

/* Strides and sizes multiplied without a check, since attn_desc_init has no status: sizes whose product does not fit
 * are refused when the descriptor is used. */
static int64_t wrapping(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a * (uint64_t)b);
}

static attn_view contiguous(int64_t heads, int64_t rows, int64_t columns)
{
    int64_t head = wrapping(rows, columns);
    return (attn_view){NULL, wrapping(heads, head), head, columns};
}

static attn_output contiguous_output(int64_t heads, int64_t rows, int64_t columns)
{
    attn_view v = contiguous(heads, rows, columns);
    return (attn_output){NULL, v.batch, v.head, v.row};
}

void descriptor_give(void *out, size_t given, const void *ours, size_t known)
{
    if (known > given) known = given;
    memcpy(out, ours, known);
    memset((char *)out + known, 0, given - known);
}

void attn_desc_init(attn_desc *desc, size_t struct_size, int64_t B, int64_t H, int64_t HK, int64_t T, int64_t S,
                    int64_t D, int64_t DV)
{
    if (!desc) return;
    attn_desc d = {
        .struct_size = struct_size,
        .dtype = ATTN_DTYPE_F32,
        .B = B,
        .H = H,
        .HK = HK,
        .T = T,
        .S = S,
        .D = D,
        .DV = DV,
        .scale = D > 0 ? (float)(1.0 / sqrt((double)D)) : 1.0f,
        .q = contiguous(H, T, D),
        .k = contiguous(HK, S, D),
        .v = contiguous(HK, S, DV),
        .o = contiguous_output(H, T, DV),
        .lse = contiguous_output(H, T, 1),
        .window_left = -1,
        .window_right = -1,
        .grad_o = contiguous(H, T, DV),
        .grad_lse = contiguous(H, T, 1),
        .grad_q = contiguous_output(H, T, D),
        .grad_k = contiguous_output(HK, S, D),
        .grad_v = contiguous_output(HK, S, DV),
        .score_vector = {.head = D},
        .grad_score_vector = {.head = D},
        .scale_f64 = D > 0 ? 1.0 / sqrt((double)D) : 1.0,
    };
    descriptor_give(desc, struct_size, &d, sizeof d);
}

static attn_status check_sizes(const attn_desc *d)
{
    const struct {
        const char *name;
        int64_t value, least;
    } sizes[] = {{"B", d->B, 0}, {"H", d->H, 1}, {"HK", d->HK, 1}, {"T", d->T, 0},
                 {"S", d->S, 0}, {"D", d->D, 0}, {"DV", d->DV, 0}};
    for (size_t n = 0; n < sizeof sizes / sizeof sizes[0]; n++) {
        if (sizes[n].value < sizes[n].least)
            return status_fail(ATTN_ERROR_ARGUMENT, "%s = %lld, expected at least %lld", sizes[n].name,
                               (long long)sizes[n].value, (long long)sizes[n].least);
    }
    if (d->H % d->HK)
        return status_fail(ATTN_ERROR_ARGUMENT, "HK = %lld, expected a divisor of H = %lld", (long long)d->HK,
                           (long long)d->H);
    const struct {
        const char *name;
        int64_t heads, rows, columns;
    } arrays[] = {
        {"B * H * T * D", d->H, d->T, d->D},
        {"B * HK * S * D", d->HK, d->S, d->D},
        {"B * HK * S * DV", d->HK, d->S, d->DV},
        {"B * H * T * DV", d->H, d->T, d->DV},
        {"B * H * (T + S + 1)", d->H, d->T >= INT64_MAX - d->S ? INT64_MAX : d->T + d->S + 1, 1},
    };
    for (size_t n = 0; n < sizeof arrays / sizeof arrays[0]; n++) {
        int64_t count;
        if (!checked_mul_i64(arrays[n].rows, arrays[n].columns, &count) ||
            !checked_mul_i64(arrays[n].heads, count, &count) || !checked_mul_i64(d->B, count, &count) ||
            count > INT64_MAX / 16)
            return status_fail(ATTN_ERROR_OVERFLOW,
                               "%s with B = %lld, H = %lld, HK = %lld, T = %lld, S = %lld, D = %lld, DV = %lld does "
                               "not fit, expected at most 2^59",
                               arrays[n].name, (long long)d->B, (long long)d->H, (long long)d->HK, (long long)d->T,
                               (long long)d->S, (long long)d->D, (long long)d->DV);
    }
    return ATTN_OK;
}

static attn_status check_window(const char *name, int64_t value)
{
    if (value < -1)
        return status_fail(ATTN_ERROR_ARGUMENT, "%s = %lld, expected at least 0, or -1 for unbounded", name,
                           (long long)value);
    return ATTN_OK;
}

static attn_status check_score(const attn_desc *d)
{
    if (d->score == ATTN_SCORE_ADDITIVE) {
        if (d->scale == 1) return ATTN_OK;
        return status_fail(ATTN_ERROR_ARGUMENT,
                           "scale = %g, expected 1 with ATTN_SCORE_ADDITIVE: score_vector holds any scale", d->scale);
    }
    if (d->score != ATTN_SCORE_DOT)
        return status_fail(ATTN_ERROR_UNSUPPORTED,
                           "score = %d, expected ATTN_SCORE_DOT (%d) or ATTN_SCORE_ADDITIVE (%d)", (int)d->score,
                           (int)ATTN_SCORE_DOT, (int)ATTN_SCORE_ADDITIVE);
    if (d->score_vector.data || d->grad_score_vector.data)
        return status_fail(ATTN_ERROR_ARGUMENT, "%s.data is set, expected NULL without ATTN_SCORE_ADDITIVE",
                           d->score_vector.data ? "score_vector" : "grad_score_vector");
    return ATTN_OK;
}

static attn_status check_block_sizes(const attn_desc *d)
{
    const attn_block_mask *mask = &d->block_mask;
    if (!mask->starts) return ATTN_OK;
    if (mask->queries < 1 || mask->keys < 1 || mask->count < 0)
        return status_fail(ATTN_ERROR_ARGUMENT,
                           "block_mask: queries = %lld, keys = %lld, count = %lld, expected at least 1, 1 and 0",
                           (long long)mask->queries, (long long)mask->keys, (long long)mask->count);
    return ATTN_OK;
}

static attn_status check_head_numbers(const attn_desc *d)
{
    if (d->grad_alibi_slopes && !d->alibi_slopes)
        return status_fail(ATTN_ERROR_ARGUMENT, "grad_alibi_slopes is set but alibi_slopes is NULL, expected both");
    if (d->grad_sinks && !d->sinks)
        return status_fail(ATTN_ERROR_ARGUMENT, "grad_sinks is set but sinks is NULL, expected both");
    return ATTN_OK;
}

attn_status descriptor_check_parallel(const attn_parallel *parallel)
{
    if (parallel->threads >= 0 && parallel->threads <= PARALLEL_MAX_THREADS) return ATTN_OK;
    return status_fail(ATTN_ERROR_ARGUMENT, "parallel.threads = %d, expected 0 to %d", parallel->threads,
                       PARALLEL_MAX_THREADS);
}

/* fp64 is for checking, and a caller's functions speak of fp32. */
static attn_status check_type(const attn_desc *d)
{
    if (d->dtype == ATTN_DTYPE_F64 && (d->score_function || d->mask_function))
        return status_fail(ATTN_ERROR_UNSUPPORTED, "%s is set, expected NULL with ATTN_DTYPE_F64",
                           d->score_function ? "score_function" : "mask_function");
    if (d->dtype == ATTN_DTYPE_F32 || d->dtype == ATTN_DTYPE_BF16 || d->dtype == ATTN_DTYPE_FP16 ||
        d->dtype == ATTN_DTYPE_F64)
        return ATTN_OK;
    return status_fail(ATTN_ERROR_UNSUPPORTED,
                       "dtype = %d, expected ATTN_DTYPE_F32 (%d), ATTN_DTYPE_BF16 (%d), ATTN_DTYPE_FP16 (%d) or "
                       "ATTN_DTYPE_F64 (%d)",
                       (int)d->dtype, (int)ATTN_DTYPE_F32, (int)ATTN_DTYPE_BF16, (int)ATTN_DTYPE_FP16,
                       (int)ATTN_DTYPE_F64);
}

static attn_status check_options(const attn_desc *d)
{
    attn_status status = check_type(d);
    if (status) return status;
    if (!isfinite(d->scale)) return status_fail(ATTN_ERROR_ARGUMENT, "scale = %g, expected a finite number", d->scale);
    if (!(d->softcap >= 0) || !isfinite(d->softcap))
        return status_fail(ATTN_ERROR_ARGUMENT, "softcap = %g, expected a finite number, at least 0", d->softcap);
    if (!(d->dropout >= 0 && d->dropout < 1))
        return status_fail(ATTN_ERROR_ARGUMENT, "dropout = %g, expected at least 0 and below 1", d->dropout);
    status = check_score(d);
    if (!status) status = check_block_sizes(d);
    if (!status) status = check_head_numbers(d);
    if (!status) status = check_window("window_left", d->window_left);
    if (!status) status = check_window("window_right", d->window_right);
    if (status) return status;
    return descriptor_check_parallel(&d->parallel);
}

/* No later version's struct is so large: whoever says so left memory as it was. */
#define LARGEST_STRUCT 65536

attn_status descriptor_check_later(const char *what, const void *given, size_t bytes, size_t known)
{
    const unsigned char *byte = given;
    if (bytes > LARGEST_STRUCT)
        return status_fail(ATTN_ERROR_ARGUMENT, "%s struct_size = %zu, expected %zu: was its init function called?",
                           what, bytes, known);
    for (size_t n = known; n < bytes; n++) {
        if (byte[n])
            return status_fail(ATTN_ERROR_UNSUPPORTED,
                               "%s byte %zu is %d, expected 0: a field of a later version than %s", what, n, byte[n],
                               attn_version());
    }
    return ATTN_OK;
}

/* Additive scores over no dimensions need no score vector, whose absence means dot products further in: they are made
 * dot products, which then are the same zeros. */
static void drop_empty_scores(attn_desc *d)
{
    if (d->D) return;
    d->score = ATTN_SCORE_DOT;
    d->score_vector.data = NULL;
    d->grad_score_vector.data = NULL;
}

attn_status descriptor_check_cpu(void)
{
    const cpu_report *cpu = cpu_detect();
    if (cpu->requested_is_known) return ATTN_OK;
    return status_fail(ATTN_ERROR_ARGUMENT, "ATTN_CPU=%s in the environment, expected %s", cpu->requested,
                       cpu_level_names());
}

attn_status descriptor_read(const attn_desc *desc, attn_desc *d)
{
    if (!desc) return status_fail(ATTN_ERROR_ARGUMENT, "desc is NULL, expected a descriptor");
    size_t given = desc->struct_size;
    if (given < offsetof(attn_desc, parallel) + sizeof d->parallel)
        return status_fail(ATTN_ERROR_ARGUMENT, "struct_size = %zu, expected %zu: was attn_desc_init called?", given,
                           sizeof *d);
    memset(d, 0, sizeof *d);
    memcpy(d, desc, given < sizeof *d ? given : sizeof *d);
    d->struct_size = sizeof *d;
    attn_status status = descriptor_check_later("the descriptor's", desc, given, sizeof *d);
    if (!status) status = descriptor_check_cpu();
    if (!status) status = check_sizes(d);
    if (!status) status = check_options(d);
    if (status) return status;
    drop_empty_scores(d);
    idle_strides_settle(d);
    return ATTN_OK;
}

bool descriptor_writes_rows(const attn_desc *d)
{
    return d->o.data || d->lse.data; /* of no elements, idle_strides_settle has taken them */
}

attn_status descriptor_check_unpacked(const attn_desc *d, const char *call)
{
    if (!d->query_starts && !d->key_starts) return ATTN_OK;
    return status_fail(ATTN_ERROR_UNSUPPORTED, "%s is set, expected NULL in %s",
                       d->query_starts ? "query_starts" : "key_starts", call);
}

attn_status descriptor_check_narrow(const attn_desc *d, const char *call)
{
    if (d->dtype != ATTN_DTYPE_F64) return ATTN_OK;
    return status_fail(ATTN_ERROR_UNSUPPORTED,
                       "dtype = %d, expected ATTN_DTYPE_F32 (%d), ATTN_DTYPE_BF16 (%d) or ATTN_DTYPE_FP16 (%d) in %s",
                       (int)d->dtype, (int)ATTN_DTYPE_F32, (int)ATTN_DTYPE_BF16, (int)ATTN_DTYPE_FP16, call);
}
