/* Few queries against many keys, on the shapes of a file: attn_forward and attn_decode on the same arrays with T = 1
 * to ATTN_DECODE_QUERIES, by turns, in microseconds, and the first one's time by the second's. The queries are the
 * last ones. Neither call should be one that a user could beat by calling the other.
 *
 *     bench_query_counts SHAPES... */
#include "attn/attn.h"
#include "base/number_format.h"
#include "base/random.h"
#include "shapes_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCH_SECONDS 0.001
#define MEASURE_SECONDS 0.1
#define LEAST_BATCHES 5

typedef struct measurement {
    int64_t B, H, HK, S, D;
    bool bf16, causal, mask;
    int threads;
} measurement;

typedef struct calls {
    attn_desc forward, decode;
    attn_cache cache;
    void *workspace;
    size_t size;
} calls;

static void fail(const char *what)
{
    fprintf(stderr, "bench_query_counts: %s\n", what);
    exit(1);
}

/* One thread's time is what it ran, which other programs on the machine do not lengthen; several threads' is the
 * clock's. */
static double now(int threads)
{
    struct timespec t;
    clock_gettime(threads == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *take(size_t bytes)
{
    void *p = aligned_alloc(ATTN_ALIGNMENT, (bytes + ATTN_ALIGNMENT) & ~(size_t)(ATTN_ALIGNMENT - 1));
    if (!p) fail("no memory");
    return p;
}

static void *uniform(int64_t count, uint64_t key, bool bf16)
{
    float *x = take((size_t)count * sizeof *x);
    uint16_t *half = (uint16_t *)x;
    for (int64_t i = 0; i < count; i += 4) {
        const random_block r = random_philox(key, (uint64_t)i, 0);
        for (int64_t n = i; n < count && n < i + 4; n++) {
            const float value = 4 * random_unit(r.word[n - i]) - 2;
            const uint16_t rounded = bf16_of_float(value);
            memcpy(bf16 ? (void *)&half[n] : (void *)&x[n], bf16 ? (const void *)&rounded : (const void *)&value,
                   bf16 ? sizeof rounded : sizeof value);
        }
    }
    return x;
}

/* (T, S) bytes that all heads share, one pair in eight masked. */
static uint8_t *some_kept(int64_t count)
{
    uint8_t *keep = take((size_t)count);
    for (int64_t n = 0; n < count; n++) keep[n] = random_philox(7, (uint64_t)n, 0).word[0] % 8 != 0;
    return keep;
}

static void run_forward(const calls *x)
{
    if (attn_forward(&x->forward, x->workspace, x->size)) fail(attn_error());
}

static void run_decode(const calls *x)
{
    if (attn_decode(&x->decode, &x->cache, x->workspace, x->size)) fail(attn_error());
}

typedef void call(const calls *x);

static double batch(call *run, const calls *x, int count, int threads)
{
    const double start = now(threads);
    for (int n = 0; n < count; n++) run(x);
    return (now(threads) - start) / count;
}

/* Seconds of both, the least of many batches by turns. */
static void measure(const calls *x, int threads, double best[2])
{
    call *const runs[] = {run_forward, run_decode};
    int count[2], batches = 0;
    for (int n = 0; n < 2; n++) {
        best[n] = batch(runs[n], x, 1, threads);
        count[n] = 1 + (int)(BATCH_SECONDS / best[n]);
    }
    const double end = now(threads) + MEASURE_SECONDS;
    while (batches++ < LEAST_BATCHES || now(threads) < end)
        for (int n = 0; n < 2; n++) best[n] = fmin(best[n], batch(runs[n], x, count[n], threads));
}

static void describe(const measurement *m, int64_t T, const int64_t *lengths, calls *x)
{
    attn_desc *d = &x->forward;
    size_t decode_size;
    attn_desc_init(d, sizeof *d, m->B, m->H, m->HK, T, m->S, m->D, m->D);
    attn_cache_init(&x->cache, sizeof x->cache, m->B, m->HK, m->S, m->D, m->D, 0, 0);
    d->causal = m->causal;
    if (m->bf16) d->dtype = x->cache.dtype = ATTN_DTYPE_BF16;
    d->parallel.threads = m->threads;
    x->cache.lengths = lengths;
    x->decode = *d;
    d->query_offset = m->S - T;
    if (attn_forward_workspace_size(d, &x->size)) fail(attn_error());
    if (attn_decode_workspace_size(&x->decode, &x->cache, &decode_size)) fail(attn_error());
    if (decode_size > x->size) x->size = decode_size;
}

static void print_row(const measurement *m, int64_t T, const double seconds[2])
{
    printf("%4lld %3lld %3lld %3lld %6lld %4lld  %s%s%s %2d %11.2f %11.2f  %.3f\n", (long long)m->B, (long long)m->H,
           (long long)m->HK, (long long)T, (long long)m->S, (long long)m->D, m->bf16 ? "bf16" : "fp32",
           m->causal ? " causal" : "", m->mask ? " mask" : "", m->threads, 1e6 * seconds[0], 1e6 * seconds[1],
           seconds[0] / seconds[1]);
    fflush(stdout);
}

static void measure_shape(const measurement *m)
{
    const int64_t most = ATTN_DECODE_QUERIES, rows = m->B * m->HK * m->S * m->D, queries = m->B * m->H * most * m->D;
    int64_t *lengths = take((size_t)m->B * sizeof *lengths);
    for (int64_t b = 0; b < m->B; b++) lengths[b] = m->S;
    void *q = uniform(queries, 1, m->bf16), *k = uniform(rows, 2, m->bf16), *v = uniform(rows, 3, m->bf16);
    void *o = take((size_t)queries * sizeof(float)), *mask = m->mask ? some_kept(most * m->S) : NULL;
    for (int64_t T = 1; T <= most; T++) {
        calls x;
        double seconds[2];
        describe(m, T, lengths, &x);
        x.forward.q.data = x.decode.q.data = q, x.forward.o.data = x.decode.o.data = o;
        x.forward.k.data = x.cache.k.data = k, x.forward.v.data = x.cache.v.data = v;
        if (mask) x.forward.mask = x.decode.mask = (attn_mask){mask, 0, 0, m->S, 1};
        x.workspace = take(x.size);
        measure(&x, m->threads, seconds);
        print_row(m, T, seconds);
        free(x.workspace);
    }
    void *all[] = {lengths, q, k, v, o, mask};
    for (size_t n = 0; n < sizeof all / sizeof all[0]; n++) free(all[n]);
}

static bool parse_line(char *line, measurement *m)
{
    int used = 0;
    long long n[5];
    line[strcspn(line, "#\r\n")] = 0;
    if (sscanf(line, " %lld %lld %lld %lld %lld %n", &n[0], &n[1], &n[2], &n[3], &n[4], &used) < 5) return false;
    *m = (measurement){.threads = 1, .B = n[0], .H = n[1], .HK = n[2], .S = n[3], .D = n[4]};
    for (char *word = strtok(line + used, " "); word; word = strtok(NULL, " ")) {
        if (!strcmp(word, "bf16"))
            m->bf16 = true;
        else if (!strcmp(word, "causal"))
            m->causal = true;
        else if (!strcmp(word, "mask"))
            m->mask = true;
        else if (sscanf(word, "threads=%d", &m->threads) != 1 || m->threads < 1)
            return false;
    }
    return m->S >= ATTN_DECODE_QUERIES;
}

static bool bench_line(char *line, bool json)
{
    (void)json;
    measurement m;
    if (!parse_line(line, &m)) return false;
    measure_shape(&m);
    return true;
}

int main(int argc, char **argv)
{
    if (argc < 2) fail("usage: bench_query_counts SHAPES...");
    printf("%s, %s\n", attn_cpu_name(), attn_cpu_used());
    printf("   B   H  HK   T      S    D  type  n  forward us   decode us  forward/decode\n");
    for (int n = 1; n < argc; n++)
        shapes_file_bench(argv[n], bench_line, false, "B H HK S D [bf16] [causal] [mask] [threads=N], S at least 16");
    return 0;
}
