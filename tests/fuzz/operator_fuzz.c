/* A descriptor, a cache and whatever else a call takes, drawn from the input, through every call of the operator. A
 * refusal must touch nothing; what is accepted must stay within the caller's arrays and the workspace it asked for. */
#include "drawn_arrays.h"

#include "attn/attn.h"

#include <math.h>
#include <stddef.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct world {
    drawing x;
    attn_desc d;
    attn_cache c;
    attn_rotary r;
} world;

static void run_serially(void *user, int threads, int64_t count, attn_task task, void *argument)
{
    (void)user, (void)threads;
    for (int64_t n = 0; n < count; n++) task(argument, n, 0);
}

static void halve(void *user, const attn_tile *t)
{
    (void)user;
    for (int64_t m = 0; m < t->queries; m++)
        for (int64_t n = 0; n < t->keys; n++) {
            t->values[m * t->query_step + n * t->key_step] *= 0.5f;
            if (t->slopes) t->slopes[m * t->query_step + n * t->key_step] *= 0.5f;
        }
}

static attn_tile_kept keep_even(void *user, const attn_tile *t)
{
    (void)user;
    for (int64_t m = 0; m < t->queries; m++)
        for (int64_t n = 0; n < t->keys; n++)
            if ((t->key + n) % 2) t->values[m * t->query_step + n * t->key_step] = -INFINITY;
    return ATTN_TILE_SOME;
}

static float draw_real(drawing *x, float usual)
{
    const float odd[] = {0, -1, NAN, INFINITY, -INFINITY, 1e30f, 1e-40f, 1};
    unsigned byte = draw_byte(x);
    return byte < 216 ? usual : odd[byte % 8];
}

/* Bytes of an element of any type that a call with this descriptor may read or write. */
static size_t widest(const attn_desc *d)
{
    return d->dtype == ATTN_DTYPE_F64 ? sizeof(double) : sizeof(float);
}

static attn_view draw_view(drawing *x, attn_view usual, int64_t B, int64_t heads, int64_t rows, int64_t columns,
                           size_t size)
{
    attn_view v = {NULL, draw_stride(x, usual.batch), draw_stride(x, usual.head), draw_stride(x, usual.row)};
    const int64_t counts[] = {B, heads, rows, columns}, strides[] = {v.batch, v.head, v.row, 1};
    v.data = draw_array(x, counts, strides, 4, size, false);
    return v;
}

static attn_output draw_output(drawing *x, attn_output usual, int64_t B, int64_t heads, int64_t rows, int64_t columns,
                               size_t size)
{
    attn_output v = {NULL, draw_stride(x, usual.batch), draw_stride(x, usual.head), draw_stride(x, usual.row)};
    const int64_t counts[] = {B, heads, rows, columns}, strides[] = {v.batch, v.head, v.row, 1};
    v.data = draw_array(x, counts, strides, 4, size, true);
    return v;
}

static attn_mask draw_mask(world *w, size_t size, bool written)
{
    const attn_desc *d = &w->d;
    drawing *x = &w->x;
    const int64_t counts[] = {d->B, d->H, d->T, d->S};
    unsigned kept = draw_byte(x); /* dimensions that are not broadcast */
    int64_t strides[4], next = 1;
    for (int n = 3; n >= 0; n--) {
        strides[n] = draw_stride(x, kept >> n & 1 ? next : 0);
        if (kept >> n & 1 && counts[n] > 0 && counts[n] < MOST_ELEMENTS) next *= counts[n];
        if (next > MOST_ELEMENTS) next = MOST_ELEMENTS;
    }
    return (attn_mask){draw_array(x, counts, strides, 4, size, written), strides[0], strides[1], strides[2],
                       strides[3]};
}

static void draw_block_mask(world *w)
{
    attn_desc *d = &w->d;
    drawing *x = &w->x;
    attn_block_mask m = {.queries = draw_number(x, 1, 40), .keys = draw_number(x, 1, 40)};
    int64_t lists = m.queries > 0 && d->T > 0 && d->T < MOST_ELEMENTS ? (d->T - 1) / m.queries + 1 : 1;
    m.count = draw_number(x, 0, 12);
    m.head = draw_stride(x, draw_flag(x) ? lists + 1 : 0);
    m.batch = draw_stride(x, 0);
    if (m.head < 0 || m.batch < 0 || d->H < 0 || d->B < 0) x->reachable = false;
    __extension__ __int128 starts = (__int128)m.head * d->H + (__int128)m.batch * d->B + lists + 1;
    if (starts > 64) x->reachable = false;
    m.starts = draw_numbers(x, x->reachable ? (int64_t)starts : -1, 0, 6);
    m.entries = draw_numbers(x, m.count, 0, 8);
    d->block_mask = m;
}

static float *draw_head_numbers(world *w, bool written)
{
    const int64_t stride = 1;
    return draw_array(&w->x, &w->d.H, &stride, 1, widest(&w->d), written);
}

static void draw_sizes(world *w)
{
    drawing *x = &w->x;
    int64_t HK = draw_number(x, 1, 3),
            H = draw_byte(x) < 240 ? HK < 8 && HK > 0 ? HK * (1 + draw_byte(x) % 3) : 2 : draw_number(x, 0, 5);
    int64_t B = draw_number(x, 0, 3), T = draw_number(x, 0, draw_flag(x) ? 6 : 70), S = draw_number(x, 0, 160);
    attn_desc_init(&w->d, sizeof w->d, B, H, HK, T, S, draw_number(x, 0, 35), draw_number(x, 0, 35));
}

static void draw_options(world *w)
{
    attn_desc *d = &w->d;
    drawing *x = &w->x;
    unsigned options = draw_byte(x) | draw_byte(x) << 8;
    if (draw_byte(x) >= 248) d->dtype = (attn_dtype)draw_number(x, 0, 9);
    d->scale = draw_real(x, d->scale);
    d->causal = options & 1;
    if (options & 2) d->window_left = draw_number(x, -1, 90), d->window_right = draw_number(x, -1, 90);
    d->query_offset = draw_number(x, -1, 2);
    if (options & 4) d->query_offsets = draw_numbers(x, d->B, -9, 90);
    if (options & 8) d->key_lengths = draw_numbers(x, d->B, 0, d->S > 0 && d->S < 200 ? d->S : 0);
    d->softcap = draw_real(x, options & 16 ? 3 : 0);
    d->dropout = draw_real(x, options & 32 ? 0.25f : 0);
    d->dropout_keys = (const uint64_t *)draw_numbers(x, d->B, 0, 9);
    d->parallel = (attn_parallel){.threads = (int)draw_number(x, 1, 3), .run = run_serially};
    if (options & 64) d->alibi_slopes = draw_head_numbers(w, false);
    if (options & 128) d->sinks = draw_head_numbers(w, false), d->grad_sinks = draw_head_numbers(w, true);
    if (options & 256) d->mask = draw_mask(w, 1, false);
    if (options & 512) d->bias = draw_mask(w, widest(d), false);
    if (options & 1024) draw_block_mask(w);
    if (options & 2048) d->score_function = halve;
    if (options & 4096) d->mask_function = keep_even;
    if (options & 8192) d->score = (attn_score)draw_number(x, 1, 1), d->scale = draw_real(x, 1);
    if (options & 16384) d->query_starts = draw_numbers(x, d->B < 64 ? d->B + 1 : -1, 0, 9);
    if (options & 32768) d->key_starts = draw_numbers(x, d->B < 64 ? d->B + 1 : -1, 0, 9);
}

/* Starts are sorted half of the time: few drawn ones would be in order. */
static void sort_starts(drawing *x, const int64_t *starts, int64_t B, int64_t rows)
{
    int64_t *out = (int64_t *)(uintptr_t)starts;
    if (!x->reachable || !starts || draw_flag(x)) return;
    for (int64_t b = 0; b <= B; b++) {
        if (b && out[b] < out[b - 1]) out[b] = out[b - 1];
        if (out[b] > rows && rows >= 0) out[b] = rows;
    }
}

static void draw_arrays(world *w)
{
    attn_desc *d = &w->d;
    drawing *x = &w->x;
    const int64_t QB = d->query_starts && d->B > 0 ? 1 : d->B, KB = d->key_starts && d->B > 0 ? 1 : d->B;
    sort_starts(x, d->query_starts, d->B, d->T);
    sort_starts(x, d->key_starts, d->B, d->S);
    d->q = draw_view(x, d->q, QB, d->H, d->T, d->D, widest(&w->d));
    d->k = draw_view(x, d->k, KB, d->HK, d->S, d->D, widest(&w->d));
    d->v = draw_view(x, d->v, KB, d->HK, d->S, d->DV, widest(&w->d));
    d->o = draw_output(x, d->o, QB, d->H, d->T, d->DV, widest(&w->d));
    d->lse = draw_output(x, d->lse, QB, d->H, d->T, 1, widest(&w->d));
    if (d->score == ATTN_SCORE_ADDITIVE)
        d->score_vector = draw_view(x, d->score_vector, 1, d->H, 1, d->D, widest(&w->d));
}

static void draw_gradients(world *w)
{
    attn_desc *d = &w->d;
    drawing *x = &w->x;
    const int64_t QB = d->query_starts && d->B > 0 ? 1 : d->B, KB = d->key_starts && d->B > 0 ? 1 : d->B;
    d->grad_o = draw_view(x, d->grad_o, QB, d->H, d->T, d->DV, widest(&w->d));
    d->grad_q = draw_output(x, d->grad_q, QB, d->H, d->T, d->D, widest(&w->d));
    d->grad_k = draw_output(x, d->grad_k, KB, d->HK, d->S, d->D, widest(&w->d));
    d->grad_v = draw_output(x, d->grad_v, KB, d->HK, d->S, d->DV, widest(&w->d));
    if (d->score == ATTN_SCORE_ADDITIVE)
        d->grad_score_vector = draw_output(x, d->grad_score_vector, 1, d->H, 1, d->D, widest(&w->d));
    if (!d->bias.data || draw_flag(x)) return;
    attn_mask m = draw_mask(w, widest(&w->d), true);
    d->grad_bias = (attn_mask_output){(void *)(uintptr_t)m.data, m.batch, m.head, m.row, m.column};
}

static void draw_cache(world *w)
{
    drawing *x = &w->x;
    const attn_desc *d = &w->d;
    attn_cache *c = &w->c;
    int64_t page = draw_flag(x) ? draw_number(x, 1, 20) : 0, pages = draw_number(x, 1, 12);
    attn_cache_init(c, sizeof *c, d->B, d->HK, d->S, d->D, d->DV, page, pages);
    if (draw_byte(x) >= 240) c->B = draw_number(x, 0, 3), c->S = draw_number(x, 0, 90), c->D = draw_number(x, 0, 9);
    c->dtype = (attn_dtype)draw_number(x, 0, 2);
    const size_t element = c->dtype == ATTN_DTYPE_F32 ? 4 : 2;
    int64_t batches = page ? pages : c->B, rows = page ? page : c->S;
    c->k = draw_output(x, c->k, batches, c->HK, rows, c->D, element);
    c->v = draw_output(x, c->v, batches, c->HK, rows, c->DV, element);
    c->lengths = draw_numbers(x, c->B, 0, c->S > 0 && c->S < 200 ? c->S : 0);
    c->table_row = draw_stride(x, c->table_row);
    if (!page) return;
    __extension__ __int128 entries = (__int128)c->B * c->table_row;
    if (entries < 0 || entries > 1024) x->reachable = false;
    int32_t *table = x->reachable ? draw_bytes(x, (size_t)entries * sizeof *table, sizeof *table, false) : NOWHERE;
    for (int64_t n = 0; x->reachable && n < entries; n++)
        table[n] = (int32_t)draw_number(x, 0, pages < 12 ? pages : 12);
    c->page_table = table;
}

static void draw_rotary(world *w)
{
    drawing *x = &w->x;
    int64_t P = draw_number(x, 0, 200), R = draw_number(x, 0, 16);
    if (R > 0 && draw_flag(x)) R -= R % 2;
    const int64_t counts[] = {P, R < 0 ? R : R / 2}, strides[] = {counts[1], 1};
    const float *cosines = draw_array(x, counts, strides, 2, sizeof(float), false);
    const float *sines = draw_array(x, counts, strides, 2, sizeof(float), false);
    attn_rotary_init(&w->r, sizeof w->r, (attn_rotary_kind)draw_number(x, 0, 1), P, R, cosines, sines);
}

/* How many bytes the descriptor says it has: ours, an older caller's (which then has no fields beyond), a later one's,
 * or too few. */
static size_t draw_struct_size(drawing *x, size_t ours, size_t oldest)
{
    unsigned byte = draw_byte(x);
    if (byte < 224) return ours;
    if (byte < 232) return draw_byte(x) % oldest;
    if (byte < 244) return oldest + draw_byte(x) % ((ours - oldest) / 8 + 1) * 8;
    return ours + draw_byte(x);
}

/* The struct in a block of exactly so many bytes. */
static void *as_given(drawing *x, const void *ours, size_t size, size_t given)
{
    unsigned char *block = draw_bytes(x, given < sizeof given ? sizeof given : given, _Alignof(max_align_t), false);
    memset(block, given % 2, given);
    memcpy(block, ours, given < size ? given : size);
    memcpy(block, &given, sizeof given);
    return block;
}

typedef struct workspace {
    void *data;
    size_t size;
    bool sound; /* else none, too short, or askew */
} workspace;

static workspace draw_workspace(drawing *x, size_t needed)
{
    unsigned byte = draw_byte(x);
    workspace w = {.size = needed, .sound = byte < 232 || !needed};
    size_t askew = byte == 255 ? 8 : 0;
    if (byte == 254) return w;
    if (!w.sound && !askew) w.size -= 1 + draw_byte(x) % needed;
    w.data = (char *)draw_bytes(x, w.size + askew, ATTN_ALIGNMENT, false) + askew;
    return w;
}

typedef enum operation { FORWARD, BACKWARD, DECODE, COLUMN_SUMS, WEIGHTS, MERGE, APPEND, ROTATE, OPERATIONS } operation;

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

/* A size to make contiguous strides of. */
static int64_t modest(int64_t size)
{
    return size > 0 && size < 1000 ? size : 1;
}

static void draw_region(world *w, extras *e, operation which)
{
    const attn_desc *d = &w->d;
    drawing *x = &w->x;
    attn_region r = {0, d->B, 0, d->H, 0, d->T};
    if (draw_flag(x)) {
        r = (attn_region){draw_number(x, 0, 1), draw_number(x, 0, 2), draw_number(x, 0, 1),
                          draw_number(x, 0, 2), draw_number(x, 0, 4), draw_number(x, 0, 9)};
        e->region = r, e->chosen = &e->region;
    }
    const int64_t rows = which == WEIGHTS ? r.rows : d->S, columns = which == WEIGHTS ? d->S : 1;
    const int64_t row = modest(columns), head = modest(rows) * row;
    e->result = draw_output(x, (attn_output){NULL, modest(r.heads) * head, head, row}, r.batches, r.heads, rows,
                            columns, widest(&w->d));
}

static void draw_extras(world *w, extras *e, operation which)
{
    const attn_desc *d = &w->d;
    drawing *x = &w->x;
    memset(e, 0, sizeof *e);
    if (which == WEIGHTS || which == COLUMN_SUMS) draw_region(w, e, which);
    if (which == MERGE) e->count = draw_number(x, 0, 3) % 4;
    for (int64_t n = 0; n < e->count; n++) {
        attn_view o = {NULL, d->o.batch, d->o.head, d->o.row}, lse = {NULL, d->lse.batch, d->lse.head, d->lse.row};
        e->parts[n].o = draw_view(x, o, d->B, d->H, d->T, d->DV, widest(&w->d));
        e->parts[n].lse = draw_view(x, lse, d->B, d->H, d->T, 1, widest(&w->d));
    }
    if (which == APPEND) {
        const attn_cache *c = &w->c;
        e->T = draw_number(x, 0, 9);
        attn_view usual = {NULL, modest(e->T) * 105, modest(e->T) * 35, 35};
        e->k = draw_view(x, usual, c->B, c->HK, e->T, c->D, widest(&w->d));
        e->v = draw_view(x, usual, c->B, c->HK, e->T, c->DV, widest(&w->d));
    }
    if (which != ROTATE) return;
    attn_output y = {NULL, d->q.batch, d->q.head, d->q.row};
    e->result = draw_output(x, y, d->B, d->H, d->T, d->D, widest(&w->d));
    if (draw_flag(x)) e->lengths = draw_numbers(x, d->B, 0, 99);
}

static attn_status ask_workspace(operation which, const attn_desc *d, const attn_cache *c, size_t *size)
{
    if (which == FORWARD) return attn_forward_workspace_size(d, size);
    if (which == BACKWARD) return attn_backward_workspace_size(d, size);
    if (which == DECODE) return attn_decode_workspace_size(d, c, size);
    if (which == COLUMN_SUMS) return attn_weights_column_sums_workspace_size(d, size);
    return ATTN_OK;
}

static attn_status run(operation which, const attn_desc *d, const attn_cache *c, const attn_rotary *r, const extras *e,
                       const workspace *w)
{
    switch (which) {
    case FORWARD:
        return attn_forward(d, w->data, w->size);
    case BACKWARD:
        return attn_backward(d, w->data, w->size);
    case DECODE:
        return attn_decode(d, c, w->data, w->size);
    case COLUMN_SUMS:
        return attn_weights_column_sums(d, e->chosen, &e->result, w->data, w->size);
    case WEIGHTS:
        return attn_weights(d, e->chosen, &e->result);
    case MERGE:
        return attn_merge(d, e->parts, e->count);
    case APPEND:
        return attn_append(c, e->T, &e->k, &e->v, e->T % 2 ? r : NULL, NULL);
    default:
        return attn_rotate(d, e->lengths, r, &e->result);
    }
}

/* Where forward's rows stand apart, each of its elements has been written. */
static bool all_is_written(const attn_desc *d)
{
    for (int64_t n = 0; n < d->B * d->H * d->T && d->DV && !d->query_starts; n++) {
        const unsigned char *row = (unsigned char *)((float *)d->o.data + n / d->T / d->H * d->o.batch +
                                                     n / d->T % d->H * d->o.head + n % d->T * d->o.row);
        const unsigned char untouched[sizeof(float)] = {UNTOUCHED, UNTOUCHED, UNTOUCHED, UNTOUCHED};
        for (int64_t c = 0; c < d->DV; c++)
            if (!memcmp(row + (size_t)c * sizeof(float), untouched, sizeof untouched)) return false;
    }
    return true;
}

static void call(world *w, operation which)
{
    drawing *x = &w->x;
    extras e;
    size_t needed = 0;
    const size_t given = draw_struct_size(x, sizeof w->d, offsetof(attn_desc, parallel) + sizeof w->d.parallel);
    draw_options(w);
    if (given < sizeof w->d) memset((char *)&w->d + given, 0, sizeof w->d - given);
    draw_arrays(w);
    if (which == BACKWARD) draw_gradients(w);
    if (which == DECODE || which == APPEND) draw_cache(w);
    if (which == ROTATE || which == APPEND) draw_rotary(w);
    draw_extras(w, &e, which);
    const attn_desc *d = as_given(x, &w->d, sizeof w->d, given);
    const attn_cache *c = as_given(x, &w->c, sizeof w->c, draw_struct_size(x, sizeof w->c, sizeof w->c));
    const attn_rotary *r = as_given(x, &w->r, sizeof w->r, draw_struct_size(x, sizeof w->r, sizeof w->r));
    const attn_status asked = ask_workspace(which, d, c, &needed);
    if (!asked && (!x->reachable || needed > 1 << 26)) return; /* nobody has such arrays */
    const workspace space = asked ? (workspace){0} : draw_workspace(x, needed);
    const attn_status status = run(which, d, c, r, &e, &space);
    if (!status && (asked || !space.sound)) abort(); /* taken, though its own question was refused */
    if (status && (!outputs_are_untouched(x) || !*attn_error())) abort();
    if (!status && which == FORWARD && w->d.dtype == ATTN_DTYPE_F32 && !all_is_written(&w->d)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    world *w = calloc(1, sizeof *w);
    if (!w) return 0;
    w->x = (drawing){.data = data, .left = size, .reachable = true};
    const operation which = (operation)(draw_byte(&w->x) % OPERATIONS);
    draw_sizes(w);
    call(w, which);
    drawing_free(&w->x);
    free(w);
    return 0;
}
