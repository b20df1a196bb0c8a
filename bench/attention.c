/* Speed of the operator on the shapes of a file, as a ratio to what the same run measures that the CPU can do: its FMA
 * peak for dot products, or where it has one that of products of tiles or pairs of bf16 for calls on these; for
 * additive scores its hyperbolic tangents with a multiply-add each; on registers alone. A row with a mask, a bias or a
 * cap also tells its rate as a ratio to the same shape's without: what each of its unmasked scores costs more.
 *
 *     bench_attention [--json] SHAPES... */
#include "attn/attn.h"
#include "base/number_format.h"
#include "base/random.h"
#include "kernels/kernels.h"
#include "shapes_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCH_SECONDS 0.002
#define MEASURE_SECONDS 0.5
#define WIDE_DEVIATION 30.0f
#define MASKED 64 /* a boolean mask leaves out one pair in so many, at random */
#define SOFTCAP 30.0f

typedef struct measurement {
    bool backward, causal, wide, additive, bf16, mask, bias, alibi, softcap;
    int threads;
    int64_t B, H, HK, T, S, D, DV;
    int64_t window_left, window_right; /* -1: unbounded */
} measurement;

typedef struct figures {
    double seconds, work, peak, speed_up; /* of floating-point operations, or of hyperbolic tangents */
    double of_plain;                      /* rate by that of the same shape without masks, bias and cap; 0: it is one */
} figures;

/* One thread's time is what it ran, which other programs on the machine do not lengthen; several threads' is the
 * clock's. */
static double now(const attn_desc *desc)
{
    struct timespec t;
    clock_gettime(desc->parallel.threads == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void fail(const char *what)
{
    fprintf(stderr, "bench_attention: %s\n", what);
    exit(1);
}

static void *take(size_t bytes)
{
    void *p = aligned_alloc(ATTN_ALIGNMENT, (bytes + ATTN_ALIGNMENT) & ~(size_t)(ATTN_ALIGNMENT - 1));
    if (!p) fail("no memory");
    return p;
}

/* Normal numbers by Box and Muller. */
static float *normal(int64_t count, uint64_t key, float deviation)
{
    float *x = take((size_t)count * sizeof *x);
    for (int64_t i = 0; i < count; i++) {
        random_block r = random_philox(key, (uint64_t)i, 0);
        x[i] = deviation * sqrtf(-2 * logf(1 - random_unit(r.word[0]))) * cosf(6.2831853f * random_unit(r.word[1]));
    }
    return x;
}

/* The same numbers rounded to bf16, in their place. */
static void round_in_place(const void *numbers, int64_t count)
{
    const float *x = numbers;
    uint16_t *y = (uint16_t *)(uintptr_t)numbers;
    for (int64_t i = 0; i < count; i++) {
        const uint16_t b = bf16_of_float(x[i]);
        memcpy(&y[i], &b, sizeof b);
    }
}

typedef attn_status call(const attn_desc *desc, void *workspace, size_t size);

static double measure_peak(const attn_desc *desc)
{
    float sink;
    const kernel_table *table = kernels_table();
    const bool additive = desc->score == ATTN_SCORE_ADDITIVE, bf16 = desc->dtype == ATTN_DTYPE_BF16;
    const bool tiled = bf16 && table->tiles_peak;
    peak_kernel *peak = additive                    ? table->tanh_peak
                        : tiled                     ? table->tiles_peak
                        : bf16 && table->pairs_peak ? table->pairs_peak
                                                    : table->peak;
    double start = now(desc), work = peak(additive ? 2000 : 20000, &sink);
    return work / (now(desc) - start);
}

static void run(call *operation, const attn_desc *desc, void *workspace, size_t size)
{
    if (operation(desc, workspace, size)) fail(attn_error());
}

/* Seconds of one call: the least of many batches, each long enough for the clock, the peak measured between them. */
static double measure(call *operation, const attn_desc *desc, void *workspace, size_t size, double *peak)
{
    double start = now(desc);
    run(operation, desc, workspace, size);
    int calls = 1 + (int)(BATCH_SECONDS / (now(desc) - start)), batches = 0;
    double best = INFINITY, end = now(desc) + MEASURE_SECONDS;
    while (batches++ < 5 || now(desc) < end) {
        double p = measure_peak(desc);
        if (p > *peak) *peak = p;
        start = now(desc);
        for (int n = 0; n < calls; n++) run(operation, desc, workspace, size);
        double each = (now(desc) - start) / calls;
        if (each < best) best = each;
    }
    return best;
}

/* Pairs of a query and a key that are not masked. */
static double pairs(const measurement *m)
{
    double count = 0;
    for (int64_t i = 0; i < m->T; i++) {
        int64_t right = m->causal ? 0 : m->window_right;
        int64_t first = m->window_left >= 0 && i > m->window_left ? i - m->window_left : 0;
        int64_t last = right >= 0 && i + right + 1 < m->S ? i + right + 1 : m->S;
        if (first < last) count += (double)(last - first);
    }
    return m->mask ? count * (MASKED - 1) / MASKED : count;
}

/* Floating-point operations of the products; or each score's hyperbolic tangents, once in each direction. */
static double work_of(const measurement *m)
{
    double all = (double)(m->B * m->H) * pairs(m), D = (double)m->D, DV = (double)m->DV;
    if (m->additive) return all * D;
    return 2.0 * all * (m->backward ? 3.0 * D + 2.0 * DV : D + DV);
}

/* (T, S) bytes or numbers that all heads share. */
static void set_masks(const measurement *m, attn_desc *d)
{
    const int64_t count = m->T * m->S;
    d->causal = m->causal;
    d->window_left = m->window_left, d->window_right = m->window_right;
    if (m->softcap) d->softcap = SOFTCAP;
    if (m->alibi) {
        float *slopes = take((size_t)m->H * sizeof *slopes);
        for (int64_t h = 0; h < m->H; h++) slopes[h] = exp2f(-8 * (float)(h + 1) / (float)m->H);
        d->alibi_slopes = slopes;
    }
    if (m->bias) d->bias = (attn_mask){normal(count, 6, 1), 0, 0, m->S, 1};
    if (!m->mask) return;
    uint8_t *keep = take((size_t)count);
    for (int64_t n = 0; n < count; n++) keep[n] = random_philox(7, (uint64_t)n, 0).word[0] % MASKED != 0;
    d->mask = (attn_mask){keep, 0, 0, m->S, 1};
}

static bool is_plain(const measurement *m)
{
    return !m->causal && !m->mask && !m->bias && !m->alibi && !m->softcap && m->window_left < 0 && m->window_right < 0;
}

/* Work a second by that of the same arrays without masks, bias and cap. */
static double ratio_to_plain(call *operation, const measurement *m, const attn_desc *d, void *workspace, size_t size,
                             figures *f)
{
    measurement without = *m;
    without.causal = without.mask = without.bias = without.alibi = without.softcap = false;
    without.window_left = without.window_right = -1;
    attn_desc plain = *d;
    plain.mask.data = plain.bias.data = plain.alibi_slopes = NULL;
    set_masks(&without, &plain);
    plain.softcap = 0;
    double seconds = measure(operation, &plain, workspace, size, &f->peak);
    return f->work / f->seconds / (work_of(&without) / seconds);
}

static attn_desc make_arrays(const measurement *m)
{
    attn_desc d;
    attn_desc_init(&d, sizeof d, m->B, m->H, m->HK, m->T, m->S, m->D, m->DV);
    int64_t nq = m->B * m->H * m->T, nk = m->B * m->HK * m->S;
    d.q.data = normal(nq * m->D, 1, m->wide ? WIDE_DEVIATION : 1);
    d.k.data = normal(nk * m->D, 2, 1);
    d.v.data = normal(nk * m->DV, 3, 1);
    d.grad_o.data = normal(nq * m->DV, 4, 1);
    d.o.data = take((size_t)(nq * m->DV) * sizeof(float));
    d.lse.data = take((size_t)nq * sizeof(float));
    d.grad_q.data = take((size_t)(nq * m->D) * sizeof(float));
    d.grad_k.data = take((size_t)(nk * m->D) * sizeof(float));
    d.grad_v.data = take((size_t)(nk * m->DV) * sizeof(float));
    if (m->additive) {
        d.score = ATTN_SCORE_ADDITIVE, d.scale = 1;
        d.score_vector.data = normal(m->H * m->D, 5, 1);
        d.grad_score_vector.data = take((size_t)(m->H * m->D) * sizeof(float));
    }
    if (m->bf16) {
        d.dtype = ATTN_DTYPE_BF16;
        round_in_place(d.q.data, nq * m->D);
        round_in_place(d.k.data, nk * m->D);
        round_in_place(d.v.data, nk * m->DV);
        round_in_place(d.grad_o.data, nq * m->DV);
    }
    return d;
}

static void free_arrays(const attn_desc *d)
{
    const void *all[] = {d->q.data,
                         d->k.data,
                         d->v.data,
                         d->grad_o.data,
                         d->o.data,
                         d->lse.data,
                         d->grad_q.data,
                         d->grad_k.data,
                         d->grad_v.data,
                         d->score_vector.data,
                         d->grad_score_vector.data,
                         d->mask.data,
                         d->bias.data,
                         d->alibi_slopes};
    for (size_t n = 0; n < sizeof all / sizeof all[0]; n++) free((void *)(uintptr_t)all[n]);
}

static figures measure_shape(const measurement *m)
{
    attn_desc d = make_arrays(m);
    set_masks(m, &d);
    d.parallel.threads = m->threads;
    size_t size = 0, backward_size = 0;
    if (attn_forward_workspace_size(&d, &size) || attn_backward_workspace_size(&d, &backward_size)) fail(attn_error());
    if (backward_size > size) size = backward_size;
    void *workspace = take(size);
    run(attn_forward, &d, workspace, size);
    call *operation = m->backward ? attn_backward : attn_forward;
    figures f = {.work = work_of(m)};
    f.seconds = measure(operation, &d, workspace, size, &f.peak);
    if (!is_plain(m)) f.of_plain = ratio_to_plain(operation, m, &d, workspace, size, &f);
    d.parallel.threads = 1;
    f.speed_up = m->threads > 1 ? measure(operation, &d, workspace, size, &f.peak) / f.seconds : 1;
    free_arrays(&d);
    free(workspace);
    return f;
}

static void describe(const measurement *m, char *options, size_t size)
{
    char window[48] = "";
    if (m->window_left >= 0 || m->window_right >= 0)
        snprintf(window, sizeof window, "window=%lld,%lld ", (long long)m->window_left, (long long)m->window_right);
    snprintf(options, size, "%s%s%s%s%s%s%s%s%s", m->bf16 ? "bf16 " : "", m->additive ? "additive " : "",
             m->causal ? "causal " : "", m->mask ? "mask " : "", m->bias ? "bias " : "", m->alibi ? "alibi " : "",
             window, m->softcap ? "softcap " : "", m->wide ? "wide " : "");
    if (*options) options[strlen(options) - 1] = 0;
}

static void print_row(const measurement *m, const figures *f, bool json)
{
    char options[128], of_plain[24] = "";
    describe(m, options, sizeof options);
    if (f->of_plain > 0) snprintf(of_plain, sizeof of_plain, json ? ", \"of_plain\": %.3f" : "  %.3f", f->of_plain);
    const char *format =
        json ? "{\"direction\": \"%s\", \"B\": %lld, \"H\": %lld, \"HK\": %lld, \"T\": %lld, \"S\": %lld, \"D\": %lld, "
               "\"DV\": %lld, \"options\": \"%s\", \"threads\": %d, \"microseconds\": %.2f, \"rate\": %.2f, "
               "\"peak\": %.2f, \"ratio\": %.3f, \"speed_up\": %.2f%s}\n"
             : "%-8s %4lld %3lld %3lld %6lld %6lld %4lld %4lld  %-15s %2d %11.2f %9.2f %8.2f  %.3f      %.2f%s\n";
    printf(format, m->backward ? "backward" : "forward", (long long)m->B, (long long)m->H, (long long)m->HK,
           (long long)m->T, (long long)m->S, (long long)m->D, (long long)m->DV, options, m->threads, 1e6 * f->seconds,
           1e-9 * f->work / f->seconds, 1e-9 * f->peak, f->work / f->seconds / f->peak / m->threads, f->speed_up,
           of_plain);
    fflush(stdout);
}

static bool parse_option(const char *word, measurement *m)
{
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {{"causal", &m->causal}, {"wide", &m->wide},   {"additive", &m->additive}, {"mask", &m->mask},
                 {"bias", &m->bias},     {"alibi", &m->alibi}, {"softcap", &m->softcap}};
    for (size_t n = 0; n < sizeof flags / sizeof flags[0]; n++) {
        if (strcmp(word, flags[n].name)) continue;
        *flags[n].flag = true;
        return true;
    }
    if (!strcmp(word, "bf16")) return m->bf16 = true;
    long long left, right;
    if (sscanf(word, "window=%lld,%lld", &left, &right) == 2 && left >= -1 && right >= -1) {
        m->window_left = left, m->window_right = right;
        return true;
    }
    return sscanf(word, "threads=%d", &m->threads) == 1 && m->threads >= 1;
}

static bool parse_line(char *line, measurement *m)
{
    char direction[16];
    int used = 0;
    long long n[7];
    line[strcspn(line, "#\r\n")] = 0;
    if (sscanf(line, " %15s %lld %lld %lld %lld %lld %lld %lld %n", direction, &n[0], &n[1], &n[2], &n[3], &n[4], &n[5],
               &n[6], &used) < 8)
        return false;
    *m = (measurement){.backward = !strcmp(direction, "backward"),
                       .threads = 1,
                       .window_left = -1,
                       .window_right = -1,
                       .B = n[0],
                       .H = n[1],
                       .HK = n[2],
                       .T = n[3],
                       .S = n[4],
                       .D = n[5],
                       .DV = n[6]};
    if (!m->backward && strcmp(direction, "forward")) return false;
    for (char *word = strtok(line + used, " "); word; word = strtok(NULL, " "))
        if (!parse_option(word, m)) return false;
    return true;
}

static bool bench_line(char *line, bool json)
{
    measurement m;
    if (!parse_line(line, &m)) return false;
    figures f = measure_shape(&m);
    print_row(&m, &f, json);
    return true;
}

int main(int argc, char **argv)
{
    bool json = argc > 1 && !strcmp(argv[1], "--json");
    if (argc < 2 + json) fail("usage: bench_attention [--json] SHAPES...");
    if (!json) {
        printf(
            "%s, %s; rate: GFLOP/s of the unmasked pairs, or 10^9 tanh/s of additive scores; ratio: to each thread's "
            "peak\n",
            attn_cpu_name(), attn_cpu_used());
        printf("peak on bf16: %s\n", kernels_table()->tiles_peak   ? "products of tiles (AMX)"
                                     : kernels_table()->pairs_peak ? "products of pairs (AVX-512-BF16); no AMX"
                                                                   : "fp32's; no AMX, no AVX-512-BF16");
        printf(
            "            B   H  HK      T      S    D   DV  options          n  microsecs      rate     peak  ratio  "
            "speed-up  of plain\n");
    }
    static const char expected[] = "direction B H HK T S D DV [bf16] [additive] [causal] [mask] [bias] [alibi] "
                                   "[window=L,R] [softcap] [wide] [threads=N]";
    for (int n = 1 + json; n < argc; n++) shapes_file_bench(argv[n], bench_line, json, expected);
    return 0;
}
