/* Speed of attn_decode on the shapes of a file: GB/s of K and V, and the share of the rate at which the same run reads
 * an array as large as both, once through, by vector loads and additions alone: from memory, or from the cache that
 * holds it. Queries and results are of the cache's type, bf16 beside int8.
 *
 *     bench_decode_rate [--json] SHAPES... */
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

typedef struct measurement {
    int64_t B, H, HK, T, S, D, DV, page_size;
    attn_dtype type;
    int threads;
} measurement;

typedef struct figures {
    double seconds, bytes, rate; /* of one call; K's and V's; bytes a second of reading alone */
} figures;

static double now(int threads)
{
    struct timespec t;
    clock_gettime(threads == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void fail(const char *what)
{
    fprintf(stderr, "bench_decode_rate: %s\n", what);
    exit(1);
}

static void *take(size_t bytes)
{
    void *p = aligned_alloc(ATTN_ALIGNMENT, (bytes + ATTN_ALIGNMENT) & ~(size_t)(ATTN_ALIGNMENT - 1));
    if (!p) fail("no memory");
    return p;
}

static float *uniform(int64_t count, uint64_t key)
{
    float *x = take((size_t)count * sizeof *x);
    for (int64_t i = 0; i < count; i += 4) {
        random_block r = random_philox(key, (uint64_t)i, 0);
        for (int64_t n = i; n < count && n < i + 4; n++) x[n] = 4 * random_unit(r.word[n - i]) - 2;
    }
    return x;
}

static const char *const type_names[] = {"fp32", "bf16", "fp16", "int8"};

/* The same rounded to a cache's type. */
static void *uniform_of(attn_dtype type, int64_t count, uint64_t key)
{
    float *x = uniform(count, key);
    if (type == ATTN_DTYPE_F32) return x;
    if (type == ATTN_DTYPE_INT8) {
        int8_t *byte = take((size_t)count);
        for (int64_t n = 0; n < count; n++) byte[n] = (int8_t)(63 * x[n]);
        free(x);
        return byte;
    }
    uint16_t *half = take((size_t)count * sizeof *half);
    for (int64_t n = 0; n < count; n++) half[n] = type == ATTN_DTYPE_BF16 ? bf16_of_float(x[n]) : fp16_of_float(x[n]);
    free(x);
    return half;
}

static float *scales_of(int64_t rows)
{
    float *x = take((size_t)rows * sizeof *x);
    for (int64_t n = 0; n < rows; n++) x[n] = 1.0f / 63;
    return x;
}

/* Pages in no order of memory: what a cache looks like after a while. */
static int32_t *scattered_pages(int64_t count)
{
    int32_t *pages = take((size_t)count * sizeof *pages);
    for (int64_t n = 0; n < count; n++) pages[n] = (int32_t)n;
    for (int64_t n = count - 1; n > 0; n--) {
        int64_t other = random_philox(9, (uint64_t)n, 0).word[0] % (n + 1);
        int32_t page = pages[n];
        pages[n] = pages[other], pages[other] = page;
    }
    return pages;
}

typedef struct decoding {
    attn_desc d;
    attn_cache c;
    void *workspace;
    size_t size;
} decoding;

static decoding make_decoding(const measurement *m, int64_t *lengths)
{
    decoding x;
    int64_t each = m->page_size ? (m->S + m->page_size - 1) / m->page_size : 0, pages = m->B * each;
    attn_desc_init(&x.d, sizeof x.d, m->B, m->H, m->HK, m->T, m->S, m->D, m->DV);
    attn_cache_init(&x.c, sizeof x.c, m->B, m->HK, m->S, m->D, m->DV, m->page_size, pages);
    int64_t rows = (m->page_size ? pages * m->page_size : m->B * m->S) * m->HK, queries = m->B * m->H * m->T;
    x.d.dtype = m->type == ATTN_DTYPE_INT8 ? ATTN_DTYPE_BF16 : m->type; /* a model's that keeps such a cache */
    x.d.q.data = uniform_of(x.d.dtype, queries * m->D, 1);
    x.d.o.data = take((size_t)(queries * m->DV) * sizeof(float));
    x.c.dtype = m->type;
    x.c.k.data = uniform_of(m->type, rows * m->D, 2);
    x.c.v.data = uniform_of(m->type, rows * m->DV, 3);
    if (m->type == ATTN_DTYPE_INT8) x.c.k_scales.data = scales_of(rows), x.c.v_scales.data = scales_of(rows);
    for (int64_t b = 0; b < m->B; b++) lengths[b] = m->S;
    x.c.lengths = lengths;
    if (m->page_size) x.c.page_table = scattered_pages(pages);
    x.d.causal = true;
    x.d.parallel.threads = m->threads;
    if (attn_decode_workspace_size(&x.d, &x.c, &x.size)) fail(attn_error());
    x.workspace = take(x.size);
    return x;
}

static void run(const decoding *x)
{
    if (attn_decode(&x->d, &x->c, x->workspace, x->size)) fail(attn_error());
}

/* Bytes a second of reading `count` floats as many times as it takes. */
static double read_rate(const float *x, int64_t count)
{
    float sink;
    double start = now(1), end = start;
    int64_t rounds = 0;
    for (; end - start < BATCH_SECONDS; rounds++, end = now(1)) kernels_table()->read(x, count, &sink);
    return (double)(rounds * count) * sizeof(float) / (end - start);
}

static figures measure_shape(const measurement *m)
{
    int64_t *lengths = take((size_t)m->B * sizeof *lengths);
    decoding x = make_decoding(m, lengths);
    int64_t rows = m->B * m->HK * m->S, count = rows * (m->D + m->DV); /* of K and V and their scales, as floats */
    if (m->type == ATTN_DTYPE_BF16 || m->type == ATTN_DTYPE_FP16) count /= 2;
    if (m->type == ATTN_DTYPE_INT8) count = count / 4 + 2 * rows;
    figures f = {.seconds = INFINITY, .bytes = (double)count * sizeof(float)};
    float *array = uniform(count, 4);
    double start = now(m->threads);
    run(&x);
    int calls = 1 + (int)(BATCH_SECONDS / (now(m->threads) - start)), batches = 0;
    double end = now(m->threads) + MEASURE_SECONDS;
    while (batches++ < 5 || now(m->threads) < end) {
        double rate = read_rate(array, count);
        if (rate > f.rate) f.rate = rate;
        run(&x); /* what it reads is in the cache again, where that holds it */
        start = now(m->threads);
        for (int n = 0; n < calls; n++) run(&x);
        double each = (now(m->threads) - start) / calls;
        if (each < f.seconds) f.seconds = each;
    }
    void *all[] = {lengths,    array,      (void *)x.d.q.data,     x.d.o.data,  x.c.k_scales.data,
                   x.c.k.data, x.c.v.data, (void *)x.c.page_table, x.workspace, x.c.v_scales.data};
    for (size_t n = 0; n < sizeof all / sizeof all[0]; n++) free(all[n]);
    return f;
}

static void print_row(const measurement *m, const figures *f, bool json)
{
    const char *format =
        json ? "{\"B\": %lld, \"H\": %lld, \"HK\": %lld, \"T\": %lld, \"S\": %lld, \"D\": %lld, \"DV\": %lld, "
               "\"type\": \"%s\", \"page\": "
               "%lld, \"threads\": %d, \"microseconds\": %.2f, \"rate\": %.2f, \"read\": %.2f, \"ratio\": %.3f}\n"
             : "%4lld %3lld %3lld %3lld %6lld %4lld %4lld  %s %5lld %2d %11.2f %8.2f %8.2f  %.3f\n";
    printf(format, (long long)m->B, (long long)m->H, (long long)m->HK, (long long)m->T, (long long)m->S,
           (long long)m->D, (long long)m->DV, type_names[m->type], (long long)m->page_size, m->threads,
           1e6 * f->seconds, 1e-9 * f->bytes / f->seconds, 1e-9 * f->rate, f->bytes / f->seconds / f->rate);
    fflush(stdout);
}

static bool parse_line(char *line, measurement *m)
{
    int used = 0;
    long long n[7], page = 0;
    line[strcspn(line, "#\r\n")] = 0;
    if (sscanf(line, " %lld %lld %lld %lld %lld %lld %lld %n", &n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &n[6], &used) <
        7)
        return false;
    *m = (measurement){.threads = 1, .B = n[0], .H = n[1], .HK = n[2], .T = n[3], .S = n[4], .D = n[5], .DV = n[6]};
    for (char *word = strtok(line + used, " "); word; word = strtok(NULL, " ")) {
        if (sscanf(word, "page=%lld", &page) == 1 && page > 0)
            m->page_size = page;
        else if (!strcmp(word, "bf16"))
            m->type = ATTN_DTYPE_BF16;
        else if (!strcmp(word, "fp16"))
            m->type = ATTN_DTYPE_FP16;
        else if (!strcmp(word, "int8"))
            m->type = ATTN_DTYPE_INT8;
        else if (sscanf(word, "threads=%d", &m->threads) != 1 || m->threads < 1)
            return false;
    }
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
    if (argc < 2 + json) fail("usage: bench_decode_rate [--json] SHAPES...");
    if (!json) {
        printf("%s, %s; GB/s of K and V; read: one thread reading as much\n", attn_cpu_name(), attn_cpu_used());
        printf("   B   H  HK   T      S    D   DV  type  page  n   microsecs     GB/s     read  ratio\n");
    }
    static const char expected[] = "B H HK T S D DV [bf16|fp16|int8] [page=N] [threads=N]";
    for (int n = 1 + json; n < argc; n++) shapes_file_bench(argv[n], bench_line, json, expected);
    return 0;
}
