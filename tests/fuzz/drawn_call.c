#include "drawn_call.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

enum {
    CAUSAL = 1,
    WINDOW = 2,
    OFFSETS = 4,
    LENGTHS = 8,
    CAP = 16,
    DROPOUT = 32,
    SLOPES = 64,
    SINKS = 128,
    MASK = 256,
    BIAS = 512,
    BLOCKS = 1024,
    SCORE_FUNCTION = 2048,
    MASK_FUNCTION = 4096,
    ADDITIVE = 8192,
    QUERY_STARTS = 16384,
    KEY_STARTS = 32768,
    STARTS = QUERY_STARTS | KEY_STARTS,
    ALL = 65535
};

enum { F32 = 1 << ATTN_DTYPE_F32, F64 = 1 << ATTN_DTYPE_F64, HALVES = 1 << ATTN_DTYPE_BF16 | 1 << ATTN_DTYPE_FP16 };

/* What an operation takes: a drawing that is not wild asks for nothing else. */
static const struct {
    unsigned options, types;
} taken[OPERATIONS] = {
    [FORWARD] = {ALL, F32 | F64 | HALVES},
    [BACKWARD] = {ALL, F32 | F64 | HALVES},
    [DOUBLE_BACKWARD] = {ALL & ~(SCORE_FUNCTION | ADDITIVE), F32 | F64 | HALVES},
    [DECODE] = {ALL & ~(LENGTHS | DROPOUT | SCORE_FUNCTION | ADDITIVE | STARTS), F32 | HALVES},
    [COLUMN_SUMS] = {ALL, F32 | HALVES},
    [WEIGHTS] = {ALL, F32 | F64 | HALVES},
    [MERGE] = {ALL & ~STARTS, F32 | HALVES},
    [APPEND] = {0, F32}, /* its rows' types are the cache's */
    [ROTATE] = {ALL & ~STARTS, F32 | HALVES},
    [ROTARY_FILL] = {0, F32},
};

static void run_serially(void *user, int threads, int64_t count, attn_task task, void *argument)
{
    (void)user, (void)threads;
    for (int64_t n = 0; n < count; n++) task(argument, n, 0);
}

static void run_backwards(void *user, int threads, int64_t count, attn_task task, void *argument)
{
    (void)user;
    for (int64_t n = count - 1; n >= 0; n--) task(argument, n, (int)(n % threads));
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
        for (int64_t n = t->key % 2 == 0; n < t->keys; n += 2)
            t->values[m * t->query_step + n * t->key_step] = -INFINITY;
    return ATTN_TILE_SOME;
}

static float draw_real(drawing *x, float usual)
{
    const float odd[] = {0, -1, NAN, INFINITY, -INFINITY, 1e30f, 1e-40f, 1};
    return draw_whim(x, 32) ? odd[draw_byte(x) % 8] : usual;
}

attn_dtype type_of(const attn_desc *d)
{
    const bool known = d->dtype == ATTN_DTYPE_BF16 || d->dtype == ATTN_DTYPE_FP16 || d->dtype == ATTN_DTYPE_F64;
    return known ? d->dtype : ATTN_DTYPE_F32;
}

attn_dtype sums_of(const attn_desc *d)
{
    return d->dtype == ATTN_DTYPE_F64 ? ATTN_DTYPE_F64 : ATTN_DTYPE_F32;
}

/* A size to make strides of. */
static int64_t modest(int64_t size)
{
    return size > 0 && size < 1000 ? size : 1;
}

attn_view usual_strides(int64_t heads, int64_t rows, int64_t columns)
{
    const int64_t row = modest(columns), head = modest(rows) * row;
    return (attn_view){NULL, modest(heads) * head, head, row};
}

attn_view draw_view(drawing *x, attn_view usual, int64_t B, int64_t heads, int64_t rows, int64_t columns,
                    attn_dtype type)
{
    attn_view v = {NULL, draw_stride(x, usual.batch), draw_stride(x, usual.head), draw_stride(x, usual.row)};
    const int64_t counts[] = {B, heads, rows, columns}, strides[] = {v.batch, v.head, v.row, 1};
    v.data = draw_array(x, counts, strides, 4, type, false);
    return v;
}

attn_output draw_output(drawing *x, attn_output usual, int64_t B, int64_t heads, int64_t rows, int64_t columns,
                        attn_dtype type)
{
    attn_output v = {NULL, draw_stride(x, usual.batch), draw_stride(x, usual.head), draw_stride(x, usual.row)};
    const int64_t counts[] = {B, heads, rows, columns}, strides[] = {v.batch, v.head, v.row, 1};
    v.data = draw_array(x, counts, strides, 4, type, true);
    return v;
}

static attn_mask draw_mask(drawn_call *w, attn_dtype type, bool written)
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
    return (attn_mask){draw_array(x, counts, strides, 4, type, written), strides[0], strides[1], strides[2],
                       strides[3]};
}

static attn_mask_output draw_mask_output(drawn_call *w)
{
    const attn_mask m = draw_mask(w, sums_of(&w->d), true);
    return (attn_mask_output){(void *)(uintptr_t)m.data, m.batch, m.head, m.row, m.column};
}

static bool is_list(const int64_t *numbers)
{
    return numbers && (uintptr_t)numbers % sizeof *numbers == 0;
}

/* Half of the time, in order: few numbers that are drawn would be. */
static void sort(int64_t *numbers, int64_t first, int64_t last, int64_t least, int64_t most)
{
    for (int64_t n = first; n < last; n++) {
        if (numbers[n] < least) numbers[n] = least;
        if (numbers[n] > most) numbers[n] = most;
        least = numbers[n];
    }
}

static void draw_block_mask(drawn_call *w)
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
    if (starts > 64 || m.count < 0 || m.count > 64) x->reachable = false;
    int64_t *drawn = draw_numbers(x, x->reachable ? (int64_t)starts : -1, 0, 6),
            *entries = draw_numbers(x, m.count, 0, 8);
    if (x->reachable && is_list(drawn) && !(x->wild && draw_flag(x))) sort(drawn, 0, (int64_t)starts, 0, m.count);
    for (int64_t n = 0; x->reachable && entries && !x->wild && n < m.count; n++) entries[n] = n;
    m.starts = drawn, m.entries = entries;
    d->block_mask = m;
}

static float *draw_head_numbers(drawn_call *w, bool written)
{
    const int64_t stride = 1;
    return draw_array(&w->x, &w->d.H, &stride, 1, ATTN_DTYPE_F32, written);
}

/* Small, or not so small: more than one tile, chunk or block. */
static int64_t draw_size(drawing *x, int64_t small, int64_t large)
{
    return draw_number(x, 0, draw_byte(x) % 4 ? small : large);
}

static void draw_sizes(drawn_call *w)
{
    drawing *x = &w->x;
    int64_t HK = draw_number(x, 1, 3), H = modest(HK) * (1 + draw_byte(x) % 2);
    if (draw_whim(x, 32)) H = draw_number(x, 0, 5);
    int64_t B = draw_number(x, 0, 3), T = draw_size(x, w->which == DECODE ? 3 : 9, w->which == DECODE ? 16 : 140),
            S = draw_size(x, 18, w->which == DECODE ? 600 : 200);
    attn_desc_init(&w->d, sizeof w->d, B, H, HK, T, S, draw_size(x, 6, 35), draw_size(x, 6, 35));
}

static int64_t *draw_starts(drawing *x, int64_t B, int64_t rows)
{
    int64_t *starts = draw_numbers(x, B < 64 ? B + 1 : -1, 0, rows < 200 ? modest(rows) : 9);
    if (x->reachable && is_list(starts) && !(x->wild && draw_flag(x))) sort(starts, 0, B + 1, 0, rows < 0 ? 0 : rows);
    return starts;
}

static void draw_options(drawn_call *w)
{
    const attn_dtype types[] = {ATTN_DTYPE_F32, ATTN_DTYPE_F64, ATTN_DTYPE_BF16, ATTN_DTYPE_FP16};
    attn_desc *d = &w->d;
    drawing *x = &w->x;
    unsigned options = draw_byte(x) | draw_byte(x) << 8;
    options &= draw_byte(x) | draw_byte(x) << 8; /* a few at once */
    const attn_dtype type = types[draw_byte(x) % 4];
    if (taken[w->which].types >> type & 1) d->dtype = type;
    if (draw_whim(x, 32)) d->dtype = (attn_dtype)draw_number(x, 0, 9);
    if (!draw_whim(x, 8)) options &= taken[w->which].options;
    if (d->dtype == ATTN_DTYPE_F64 && !draw_whim(x, 8)) options &= ~(unsigned)(SCORE_FUNCTION | MASK_FUNCTION);
    d->scale = draw_real(x, d->scale);
    d->causal = options & CAUSAL;
    if (options & WINDOW) d->window_left = draw_number(x, -1, 90), d->window_right = draw_number(x, -1, 90);
    if (w->which != DECODE || draw_whim(x, 8)) d->query_offset = draw_number(x, -1, 2);
    if (options & OFFSETS) d->query_offsets = draw_numbers(x, d->B, -9, 90);
    if (options & STARTS) options &= ~(unsigned)LENGTHS;
    if (options & LENGTHS) d->key_lengths = draw_numbers(x, d->B, 0, d->S > 0 && d->S < 200 ? d->S : 0);
    d->softcap = draw_real(x, options & CAP ? 3 : 0);
    d->dropout = draw_real(x, options & DROPOUT ? 0.25f : 0);
    d->dropout_keys = (const uint64_t *)draw_numbers(x, d->B, 0, 9);
    d->parallel = (attn_parallel){.threads = (int)draw_number(x, 1, 3)};
    d->parallel.run = draw_flag(x) ? run_serially : run_backwards;
    if (options & SLOPES) d->alibi_slopes = draw_head_numbers(w, false);
    if (options & SINKS) d->sinks = draw_head_numbers(w, false), d->grad_sinks = draw_head_numbers(w, true);
    if (options & MASK) d->mask = draw_mask(w, ATTN_DTYPE_INT8, false);
    if (options & BIAS) d->bias = draw_mask(w, sums_of(d), false);
    if (options & BLOCKS) draw_block_mask(w);
    if (options & SCORE_FUNCTION) d->score_function = halve;
    if (options & MASK_FUNCTION) d->mask_function = keep_even;
    if (options & ADDITIVE) d->score = (attn_score)draw_number(x, 1, 1), d->scale = draw_real(x, 1);
    if (options & QUERY_STARTS) d->query_starts = draw_starts(x, d->B, d->T);
    if (options & KEY_STARTS) d->key_starts = draw_starts(x, d->B, d->S);
    if (options & STARTS && draw_whim(x, 8)) d->key_lengths = draw_numbers(x, d->B, 0, 9);
}

static int64_t query_batches(const attn_desc *d)
{
    return d->query_starts && d->B > 0 ? 1 : d->B;
}

static int64_t key_batches(const attn_desc *d)
{
    return d->key_starts && d->B > 0 ? 1 : d->B;
}

static void draw_arrays(drawn_call *w)
{
    attn_desc *d = &w->d;
    drawing *x = &w->x;
    const attn_dtype type = type_of(d), sums = sums_of(d);
    const int64_t QB = query_batches(d), KB = key_batches(d);
    d->q = draw_view(x, d->q, QB, d->H, d->T, d->D, type);
    if (w->which == ROTATE || w->which == APPEND) return;
    if (w->which != DECODE) d->k = draw_view(x, d->k, KB, d->HK, d->S, d->D, type);
    if (w->which != DECODE) d->v = draw_view(x, d->v, KB, d->HK, d->S, d->DV, type);
    d->o = draw_output(x, d->o, QB, d->H, d->T, d->DV, type);
    d->lse = draw_output(x, d->lse, QB, d->H, d->T, 1, sums);
    if (d->score == ATTN_SCORE_ADDITIVE) d->score_vector = draw_view(x, d->score_vector, 1, d->H, 1, d->D, sums);
}

static void draw_gradients(drawn_call *w)
{
    attn_desc *d = &w->d;
    drawing *x = &w->x;
    const attn_dtype type = type_of(d);
    const int64_t QB = query_batches(d), KB = key_batches(d);
    d->grad_o = draw_view(x, d->grad_o, QB, d->H, d->T, d->DV, type);
    if (draw_flag(x)) d->grad_lse = draw_view(x, d->grad_lse, QB, d->H, d->T, 1, sums_of(d));
    if (w->which == DOUBLE_BACKWARD) return;
    d->grad_q = draw_output(x, d->grad_q, QB, d->H, d->T, d->D, type);
    d->grad_k = draw_output(x, d->grad_k, KB, d->HK, d->S, d->D, type);
    d->grad_v = draw_output(x, d->grad_v, KB, d->HK, d->S, d->DV, type);
    if (d->score == ATTN_SCORE_ADDITIVE)
        d->grad_score_vector = draw_output(x, d->grad_score_vector, 1, d->H, 1, d->D, sums_of(d));
    if (d->bias.data && draw_flag(x)) d->grad_bias = draw_mask_output(w);
    if (d->alibi_slopes && draw_flag(x)) d->grad_alibi_slopes = draw_head_numbers(w, true);
}

/* Each array there, or, one in four times, not. */
static void draw_second(drawn_call *w)
{
    const attn_desc *d = &w->d;
    drawing *x = &w->x;
    attn_second_order *s = &w->second;
    const attn_dtype type = type_of(d);
    const int64_t QB = query_batches(d), KB = key_batches(d);
    attn_second_order_init(s, sizeof *s, d);
    const unsigned absent = draw_byte(x) & draw_byte(x), sums_absent = draw_byte(x);
    if (!(absent & 1)) s->by_grad_q = draw_view(x, s->by_grad_q, QB, d->H, d->T, d->D, type);
    if (!(absent & 2)) s->by_grad_k = draw_view(x, s->by_grad_k, KB, d->HK, d->S, d->D, type);
    if (!(absent & 4)) s->by_grad_v = draw_view(x, s->by_grad_v, KB, d->HK, d->S, d->DV, type);
    if (!(absent & 8)) s->grad_q = draw_output(x, s->grad_q, QB, d->H, d->T, d->D, type);
    if (!(absent & 16)) s->grad_k = draw_output(x, s->grad_k, KB, d->HK, d->S, d->D, type);
    if (!(absent & 32)) s->grad_v = draw_output(x, s->grad_v, KB, d->HK, d->S, d->DV, type);
    if (!(absent & 64)) s->grad_grad_o = draw_output(x, s->grad_grad_o, QB, d->H, d->T, d->DV, type);
    if (d->sinks && !(sums_absent & 1)) s->by_grad_sinks = draw_head_numbers(w, false);
    if (d->sinks && !(sums_absent & 2)) s->grad_sinks = draw_head_numbers(w, true);
    if (d->bias.data && !(sums_absent & 4)) s->by_grad_bias = draw_mask(w, sums_of(d), false);
    if (d->bias.data && !(sums_absent & 8)) s->grad_bias = draw_mask_output(w);
    if (!(sums_absent & 16)) s->grad_grad_lse = draw_output(x, s->grad_grad_lse, QB, d->H, d->T, 1, sums_of(d));
    if (sums_absent == 255) s->by_grad_bias.row = s->grad_bias.row = INT64_MAX; /* of none */
}

static void draw_cache(drawn_call *w)
{
    drawing *x = &w->x;
    const attn_desc *d = &w->d;
    attn_cache *c = &w->c;
    int64_t page = draw_flag(x) ? draw_number(x, 1, 20) : 0, pages = draw_number(x, 1, 12);
    attn_cache_init(c, sizeof *c, d->B, d->HK, d->S, d->D, d->DV, page, pages);
    if (draw_whim(x, 16)) c->B = draw_number(x, 0, 3), c->S = draw_number(x, 0, 90), c->D = draw_number(x, 0, 9);
    c->dtype = (attn_dtype)draw_number(x, 0, 3);
    w->cache_size = draw_struct_size(x, sizeof *c, offsetof(attn_cache, k_scales));
    if (w->which == APPEND && w->cache_size >= sizeof *c) c->new_dtype = (attn_dtype)draw_number(x, 0, 2);
    const bool scaled = c->dtype == ATTN_DTYPE_INT8;
    const attn_dtype type = scaled ? c->dtype : type_of(&(attn_desc){.dtype = c->dtype});
    int64_t batches = page ? pages : c->B, rows = page ? page : c->S;
    c->k = draw_output(x, c->k, batches, c->HK, rows, c->D, type);
    c->v = draw_output(x, c->v, batches, c->HK, rows, c->DV, type);
    if (scaled) c->k_scales = draw_output(x, c->k_scales, batches, c->HK, rows, 1, ATTN_DTYPE_F32);
    if (scaled) c->v_scales = draw_output(x, c->v_scales, batches, c->HK, rows, 1, ATTN_DTYPE_F32);
    c->lengths = draw_numbers(x, c->B, 0, c->S > 0 && c->S < 200 ? c->S : 0);
    c->table_row = draw_stride(x, c->table_row);
    if (!page && !draw_whim(x, 16)) return;
    __extension__ __int128 entries = (__int128)c->B * c->table_row;
    if (entries < 0 || entries > 1024) x->reachable = false;
    int32_t *table = x->reachable ? draw_bytes(x, (size_t)entries * sizeof *table, sizeof *table, false) : NOWHERE;
    for (int64_t n = 0; x->reachable && n < entries; n++)
        table[n] = x->wild ? (int32_t)draw_number(x, 0, pages > 0 && pages < 12 ? pages : 12) : (int32_t)(n % pages);
    c->page_table = table;
}

static void draw_rotary(drawn_call *w)
{
    drawing *x = &w->x;
    int64_t P = draw_number(x, 200, 240), R = draw_number(x, 0, 8);
    if (draw_whim(x, 4)) P = draw_number(x, 0, 200);
    if (R > 0 && R <= 8) R = w->d.D > 2 * R || draw_whim(x, 8) ? 2 * R : 0;
    const bool written = w->which == ROTARY_FILL;
    const int64_t counts[] = {P, R < 0 ? R : R / 2}, strides[] = {counts[1], 1};
    const float *cosines = draw_array(x, counts, strides, 2, ATTN_DTYPE_F32, written);
    const float *sines = draw_array(x, counts, strides, 2, ATTN_DTYPE_F32, written);
    attn_rotary_init(&w->r, sizeof w->r, (attn_rotary_kind)draw_number(x, 0, 1), P, R, cosines, sines);
}

size_t draw_struct_size(drawing *x, size_t ours, size_t oldest)
{
    if (!draw_whim(x, 8)) return ours;
    const unsigned byte = draw_byte(x);
    if (byte < 64) return draw_byte(x) % oldest;
    if (byte < 160) return oldest + draw_byte(x) % ((ours - oldest) / 8 + 1) * 8;
    return byte < 240 ? ours + byte : SIZE_MAX - byte;
}

void draw_call(drawn_call *w)
{
    drawing *x = &w->x;
    w->cache_size = sizeof w->c;
    w->which = (operation)(draw_byte(x) % OPERATIONS);
    draw_sizes(w);
    draw_options(w);
    w->desc_size = draw_struct_size(x, sizeof w->d, offsetof(attn_desc, parallel) + sizeof w->d.parallel);
    if (w->desc_size < sizeof w->d) memset((char *)&w->d + w->desc_size, 0, sizeof w->d - w->desc_size);
    draw_arrays(w);
    if (w->which == BACKWARD || w->which == DOUBLE_BACKWARD) draw_gradients(w);
    if (w->which == DOUBLE_BACKWARD) draw_second(w);
    if (w->which == DECODE || w->which == APPEND) draw_cache(w);
    if (w->which == ROTATE || w->which == APPEND || w->which == ROTARY_FILL) draw_rotary(w);
}
