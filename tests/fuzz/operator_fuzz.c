/* A descriptor, a cache and whatever else a call takes, drawn from the input, through every call of the operator. A
 * refusal must touch nothing; what is accepted must stay within the caller's arrays and the workspace it asked for. */
#include "drawn_call.h"

#include "attn/attn.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What some of the calls take beside descriptor and cache. */
typedef struct extras {
    attn_region region;
    const attn_region *chosen; /* it, or NULL */
    attn_output result;
    attn_part parts[3];
    int64_t count, T;
    attn_view k, v;
    const int64_t *lengths;
} extras;

/* The structs, each in a block of exactly as many bytes as it says it has, unless nobody has so many. */
typedef struct given {
    const attn_desc *d;
    const attn_cache *c;
    const attn_rotary *r;
    const attn_second_order *second;
} given;

static void *as_given(drawing *x, const void *ours, size_t size, size_t said)
{
    const size_t most = size + 256, bytes = said < most ? said : most;
    unsigned char *block = draw_bytes(x, bytes < sizeof said ? sizeof said : bytes, _Alignof(max_align_t), false);
    memset(block, said < most && said % 2, bytes);
    memcpy(block, ours, bytes < size ? bytes : size);
    memcpy(block, &said, sizeof said);
    return block;
}

typedef struct workspace {
    void *data;
    size_t size;
    bool sound; /* else none, too short, or askew */
} workspace;

static workspace draw_workspace(drawing *x, size_t needed)
{
    workspace w = {.size = needed, .sound = !draw_whim(x, 16) || !needed};
    const unsigned byte = w.sound ? 0 : draw_byte(x);
    const size_t askew = byte == 255 ? 8 : 0;
    if (byte == 254) return w;
    if (!w.sound && !askew) w.size -= 1 + draw_byte(x) % needed;
    w.data = (char *)draw_workspace_bytes(w.size + askew) + askew;
    return w;
}

static void draw_region(drawn_call *w, extras *e)
{
    const attn_desc *d = &w->d;
    drawing *x = &w->x;
    attn_region r = {0, d->B, 0, d->H, 0, d->T};
    if (draw_flag(x)) {
        r = (attn_region){draw_number(x, 0, 1), draw_number(x, 0, 2), draw_number(x, 0, 1),
                          draw_number(x, 0, 2), draw_number(x, 0, 4), draw_number(x, 0, 9)};
        e->region = r, e->chosen = &e->region;
    }
    const int64_t rows = w->which == WEIGHTS ? r.rows : d->S, columns = w->which == WEIGHTS ? d->S : 1;
    const attn_view usual = usual_strides(r.heads, rows, columns);
    e->result = draw_output(x, (attn_output){NULL, usual.batch, usual.head, usual.row}, r.batches, r.heads, rows,
                            columns, sums_of(d));
}

static void draw_extras(drawn_call *w, extras *e)
{
    const attn_desc *d = &w->d;
    const attn_cache *c = &w->c;
    drawing *x = &w->x;
    memset(e, 0, sizeof *e);
    if (w->which == WEIGHTS || w->which == COLUMN_SUMS) draw_region(w, e);
    if (w->which == MERGE) e->count = draw_number(x, 0, 3) % 4;
    for (int64_t n = 0; n < e->count; n++) {
        attn_view o = {NULL, d->o.batch, d->o.head, d->o.row}, lse = {NULL, d->lse.batch, d->lse.head, d->lse.row};
        e->parts[n].o = draw_view(x, o, d->B, d->H, d->T, d->DV, type_of(d));
        e->parts[n].lse = draw_view(x, lse, d->B, d->H, d->T, 1, ATTN_DTYPE_F32);
    }
    if (w->which == APPEND) {
        e->T = draw_number(x, 0, 9);
        const attn_dtype type = type_of(&(attn_desc){.dtype = c->new_dtype});
        e->k = draw_view(x, usual_strides(c->HK, e->T, c->D), c->B, c->HK, e->T, c->D, type);
        e->v = draw_view(x, usual_strides(c->HK, e->T, c->DV), c->B, c->HK, e->T, c->DV, type);
    }
    if (w->which != ROTATE) return;
    attn_output y = {NULL, d->q.batch, d->q.head, d->q.row};
    e->result = draw_output(x, y, d->B, d->H, d->T, d->D, type_of(d));
    if (draw_flag(x)) e->lengths = draw_numbers(x, d->B, 0, 99);
}

static attn_status ask_workspace(operation which, const given *g, size_t *size)
{
    if (which == FORWARD) return attn_forward_workspace_size(g->d, size);
    if (which == BACKWARD) return attn_backward_workspace_size(g->d, size);
    if (which == DOUBLE_BACKWARD) return attn_double_backward_workspace_size(g->d, g->second, size);
    if (which == DECODE) return attn_decode_workspace_size(g->d, g->c, size);
    if (which == COLUMN_SUMS) return attn_weights_column_sums_workspace_size(g->d, size);
    return ATTN_OK;
}

static attn_status run(operation which, const given *g, const extras *e, const workspace *w)
{
    switch (which) {
    case FORWARD:
        return attn_forward(g->d, w->data, w->size);
    case BACKWARD:
        return attn_backward(g->d, w->data, w->size);
    case DOUBLE_BACKWARD:
        return attn_double_backward(g->d, g->second, w->data, w->size);
    case DECODE:
        return attn_decode(g->d, g->c, w->data, w->size);
    case COLUMN_SUMS:
        return attn_weights_column_sums(g->d, e->chosen, &e->result, w->data, w->size);
    case WEIGHTS:
        return attn_weights(g->d, e->chosen, &e->result);
    case MERGE:
        return attn_merge(g->d, e->parts, e->count);
    case APPEND:
        return attn_append(g->c, e->T, &e->k, &e->v, e->T % 2 ? g->r : NULL, NULL);
    case ROTATE:
        return attn_rotate(g->d, e->lengths, g->r, &e->result);
    default:
        return attn_rotary_fill((float *)(uintptr_t)g->r->cosines, (float *)(uintptr_t)g->r->sines, g->r->P, g->r->R,
                                1e4);
    }
}

/* Where forward's rows stand apart, each of its elements has been written. */
static bool all_is_written(const attn_desc *d)
{
    for (int64_t n = 0; n < d->B * d->H * d->T && d->DV && !d->query_starts; n++) {
        const float *row =
            (float *)d->o.data + n / d->T / d->H * d->o.batch + n / d->T % d->H * d->o.head + n % d->T * d->o.row;
        const unsigned char untouched[sizeof(float)] = {UNTOUCHED, UNTOUCHED, UNTOUCHED, UNTOUCHED};
        for (int64_t c = 0; c < d->DV; c++)
            if (!memcmp(row + c, untouched, sizeof untouched)) return false;
    }
    return true;
}

static void check_call(drawn_call *w)
{
    drawing *x = &w->x;
    extras e;
    size_t needed = 0;
    draw_call(w);
    draw_extras(w, &e);
    given g = {.d = as_given(x, &w->d, sizeof w->d, w->desc_size)};
    g.c = as_given(x, &w->c, sizeof w->c, w->cache_size);
    g.r = w->which == ROTARY_FILL ? &w->r
                                  : as_given(x, &w->r, sizeof w->r, draw_struct_size(x, sizeof w->r, sizeof w->r));
    g.second = as_given(x, &w->second, sizeof w->second,
                        draw_struct_size(x, sizeof w->second, offsetof(attn_second_order, grad_grad_lse)));
    const attn_status asked = ask_workspace(w->which, &g, &needed);
    if (!asked && (!x->reachable || needed > MOST_WORKSPACE / 2)) return; /* nobody has such arrays */
    const workspace space = asked ? (workspace){0} : draw_workspace(x, needed);
    const attn_status status = run(w->which, &g, &e, &space);
    if (!status && (asked || !space.sound)) abort(); /* taken, though its own question was refused */
    if (status && (!outputs_are_untouched(x) || !*attn_error())) abort();
    if (!status && w->which == FORWARD && w->d.dtype == ATTN_DTYPE_F32 && !all_is_written(&w->d)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static drawn_call w;
    memset(&w, 0, sizeof w);
    w.x = drawing_of(data, size);
    check_call(&w);
    return 0;
}
