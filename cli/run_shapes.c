#include "failure.h"
#include "message.h"
#include "run.h"

#include <stdio.h>

/* "(2, 8, 16, 64)" */
static const char *shape_text(const attn_seq_array *a, char *text, size_t size)
{
    int used = snprintf(text, size, "(");
    for (int i = 0; i < a->rank && used < (int)size; i++)
        used += snprintf(text + used, size - (size_t)used, "%s%lld", i ? ", " : "", (long long)a->shape[i]);
    if (used < (int)size) snprintf(text + used, size - (size_t)used, ")");
    return text;
}

static int check_numbers(const run_input *in, int rank)
{
    char text[256];
    if (!in->array.values) return failure("run", "%s: holds booleans, expected numbers", in->path);
    if (in->array.rank == rank) return 0;
    return failure("run", "%s: shape %s has %d dimension%s, expected %d as in Q", in->path,
                   shape_text(&in->array, text, sizeof text), in->array.rank, plural(in->array.rank), rank);
}

/* Dimension `i`, counted from the last (-1); 1 where the array has fewer. */
static int64_t dimension(const attn_seq_array *a, int i)
{
    return a->rank + i >= 0 ? a->shape[a->rank + i] : 1;
}

static int differs(const run_input *in, const char *what, int i, int64_t expected, const run_input *other)
{
    char mine[256], its[256];
    if (dimension(&in->array, i) == expected) return 0;
    return failure("run", "%s: shape %s, expected %lld %s%s as in %s, whose shape is %s", in->path,
                   shape_text(&in->array, mine, sizeof mine), (long long)expected, what, plural(expected), other->path,
                   shape_text(&other->array, its, sizeof its));
}

int run_sizes_of(const run_input *q, const run_input *k, const run_input *v, run_sizes *sizes)
{
    char text[256];
    int rank = q->array.rank;
    if (rank < 2 || rank > 4)
        return failure("run", "%s: shape %s has %d dimension%s, expected 4 (B, H, T, D), 3 (H, T, D) or 2 (T, D)",
                       q->path, shape_text(&q->array, text, sizeof text), rank, plural(rank));
    if (check_numbers(q, rank) || check_numbers(k, rank) || check_numbers(v, rank)) return 1;
    *sizes = (run_sizes){.rank = rank,
                         .B = dimension(&q->array, -4),
                         .H = dimension(&q->array, -3),
                         .HK = dimension(&k->array, -3),
                         .T = dimension(&q->array, -2),
                         .S = dimension(&k->array, -2),
                         .D = dimension(&q->array, -1),
                         .DV = dimension(&v->array, -1)};
    if (differs(k, "sequence", -4, sizes->B, q) || differs(v, "sequence", -4, sizes->B, q)) return 1;
    if (differs(k, "column", -1, sizes->D, q)) return 1;
    if (differs(v, "head", -3, sizes->HK, k) || differs(v, "row", -2, sizes->S, k)) return 1;
    if (sizes->HK > 0 && sizes->H > 0 && sizes->H % sizes->HK == 0) return 0;
    return failure("run",
                   "%s has %lld head%s and %s has %lld, expected at least 1, and a number that divides the former",
                   q->path, (long long)sizes->H, plural(sizes->H), k->path, (long long)sizes->HK);
}

int run_mask_view(const run_input *mask, const run_sizes *sizes, attn_mask *view)
{
    char text[256];
    const attn_seq_array *a = &mask->array;
    const int64_t full[4] = {sizes->B, sizes->H, sizes->T, sizes->S};
    int64_t strides[4], stride = 1;
    if (a->rank > 4)
        return failure("run", "%s: shape %s has %d dimensions, expected at most 4 (B, H, T, S)", mask->path,
                       shape_text(a, text, sizeof text), a->rank);
    for (int i = 3; i >= 0; i--) {
        int64_t size = dimension(a, i - 4);
        if (size != full[i] && size != 1)
            return failure("run", "%s: shape %s does not broadcast to (B, H, T, S) = (%lld, %lld, %lld, %lld)",
                           mask->path, shape_text(a, text, sizeof text), (long long)full[0], (long long)full[1],
                           (long long)full[2], (long long)full[3]);
        strides[i] = size == 1 ? 0 : stride;
        stride *= size;
    }
    *view = (attn_mask){.data = a->flags ? (const void *)a->flags : a->values,
                        .batch = strides[0],
                        .head = strides[1],
                        .row = strides[2],
                        .column = strides[3]};
    return 0;
}

int run_elements(const char *what, const int64_t *shape, int count, int64_t *elements)
{
    *elements = 1;
    int64_t bytes = sizeof(float);
    bool empty = false;
    for (int i = 0; i < count; i++) empty |= shape[i] == 0;
    for (int i = 0; i < count && !empty; i++)
        if (__builtin_mul_overflow(bytes, shape[i], &bytes))
            return failure("run", "%s: the array would be larger than any memory", what);
    *elements = empty ? 0 : bytes / (int64_t)sizeof(float);
    return 0;
}
