/* What a forward and a backward pass of causal attention cost at one length, B = H = 1, D = 64:
 *
 *     bench_attention_cost tiled|window|matrices LENGTH
 *
 * prints the length, seconds, and megabytes of memory that the pass needed beyond its inputs Q, K, V and dO. tiled is
 * the operator; window the same with a window of 1,024 keys; matrices what one writes first: the T x S matrices of
 * weights and of their gradients as a whole, the products by oneDNN. Status 3: they would not fit the memory. */
#include "attn/attn.h"
#include "base/parallel.h"
#include "base/random.h"
#include "tensor/dense.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { D = 64, WINDOW = 1024, DOES_NOT_FIT = 3 };

#define MEASURE_SECONDS 1.0

static void fail(const char *what)
{
    fprintf(stderr, "bench_attention_cost: %s\n", what);
    exit(1);
}

static void check(attn_status status)
{
    if (status) fail(attn_error());
}

/* Not touched: what the pass does not use costs nothing. */
static void *take(size_t bytes)
{
    void *p = aligned_alloc(ATTN_ALIGNMENT, (bytes + ATTN_ALIGNMENT) & ~(size_t)(ATTN_ALIGNMENT - 1));
    if (!p) fail("no memory");
    return p;
}

typedef struct pass {
    int64_t n;
    const float *q, *k, *v, *grad_o;           /* (n, D) */
    float *o, *lse, *grad_q, *grad_k, *grad_v; /* likewise */
    float *weights, *scores;                   /* (n, n): of matrices alone */
    attn_desc desc;
    void *workspace;
    size_t forward, backward;
} pass;

static float *normal(int64_t count, uint64_t key)
{
    float *x = take((size_t)count * sizeof *x);
    for (int64_t i = 0; i < count; i++) {
        random_block r = random_philox(key, (uint64_t)i, 0);
        x[i] = sqrtf(-2 * logf(1 - random_unit(r.word[0]))) * cosf(6.2831853f * random_unit(r.word[1]));
    }
    return x;
}

static void prepare(pass *p)
{
    size_t bytes = (size_t)(p->n * D) * sizeof(float);
    p->o = take(bytes), p->grad_q = take(bytes), p->grad_k = take(bytes), p->grad_v = take(bytes);
    p->lse = take((size_t)p->n * sizeof(float));
}

static void prepare_tiled(pass *p, bool window)
{
    attn_desc *d = &p->desc;
    attn_desc_init(d, sizeof *d, 1, 1, 1, p->n, p->n, D, D);
    d->q.data = p->q, d->k.data = p->k, d->v.data = p->v, d->grad_o.data = p->grad_o;
    d->o.data = p->o, d->lse.data = p->lse;
    d->grad_q.data = p->grad_q, d->grad_k.data = p->grad_k, d->grad_v.data = p->grad_v;
    d->causal = true;
    if (window) d->window_left = WINDOW - 1;
    check(attn_forward_workspace_size(d, &p->forward));
    check(attn_backward_workspace_size(d, &p->backward));
    p->workspace = take(p->forward > p->backward ? p->forward : p->backward);
}

static void run_tiled(pass *p)
{
    check(attn_forward(&p->desc, p->workspace, p->forward));
    check(attn_backward(&p->desc, p->workspace, p->backward));
}

static void prepare_matrices(pass *p)
{
    double bytes = 2.0 * sizeof(float) * (double)p->n * (double)p->n;
    if (bytes > 0.7 * (double)sysconf(_SC_AVPHYS_PAGES) * (double)sysconf(_SC_PAGESIZE)) exit(DOES_NOT_FIT);
    p->weights = take((size_t)bytes / 2);
    p->scores = take((size_t)bytes / 2);
}

static void softmax_row(void *argument, int64_t i, int worker)
{
    (void)worker;
    pass *p = argument;
    float *row = p->weights + i * p->n, scale = 1 / sqrtf(D), largest = -INFINITY, sum = 0;
    for (int64_t j = 0; j <= i; j++) largest = fmaxf(largest, row[j]);
    for (int64_t j = 0; j <= i; j++) sum += row[j] = expf(scale * (row[j] - largest));
    for (int64_t j = 0; j <= i; j++) row[j] /= sum;
    memset(row + i + 1, 0, (size_t)(p->n - i - 1) * sizeof *row);
}

static void score_gradient_row(void *argument, int64_t i, int worker)
{
    (void)worker;
    pass *p = argument;
    float *row = p->scores + i * p->n, *weights = p->weights + i * p->n, scale = 1 / sqrtf(D), delta = 0;
    for (int64_t c = 0; c < D; c++) delta += p->grad_o[i * D + c] * p->o[i * D + c];
    for (int64_t j = 0; j < p->n; j++) row[j] = scale * weights[j] * (row[j] - delta);
}

/* c = a b, either factor transposed. */
static void multiply(int64_t M, int64_t N, int64_t K, const float *a, bool transpose_a, const float *b,
                     bool transpose_b, float *c)
{
    check(dense_multiply(DENSE_FP32, 0, M, N, K, a, transpose_a, b, transpose_b, NULL, false, c));
}

static void run_matrices(pass *p)
{
    const attn_parallel all = {0};
    int64_t n = p->n;
    multiply(n, n, D, p->q, false, p->k, true, p->weights);
    parallel_run(&all, n, softmax_row, p);
    multiply(n, D, n, p->weights, false, p->v, false, p->o);
    multiply(n, D, n, p->weights, true, p->grad_o, false, p->grad_v);
    multiply(n, n, D, p->grad_o, false, p->v, true, p->scores);
    parallel_run(&all, n, score_gradient_row, p);
    multiply(n, D, n, p->scores, false, p->k, false, p->grad_q);
    multiply(n, D, n, p->scores, true, p->q, false, p->grad_k);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A field of /proc/self/status, in bytes. */
static double memory(const char *field)
{
    char line[256];
    long long kilobytes = -1;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (!strncmp(line, field, strlen(field))) sscanf(line + strlen(field), ": %lld", &kilobytes);
    if (file) fclose(file);
    if (kilobytes < 0) fail("no /proc/self/status");
    return 1024.0 * (double)kilobytes;
}

/* Lets VmHWM, the largest VmRSS so far, begin anew. */
static void forget_peak(void)
{
    int file = open("/proc/self/clear_refs", O_WRONLY);
    if (file < 0 || write(file, "5", 1) != 1) fail("cannot write /proc/self/clear_refs");
    close(file);
}

int main(int argc, char **argv)
{
    pass p = {.n = argc == 3 ? atoll(argv[2]) : 0};
    bool matrices = argc == 3 && !strcmp(argv[1], "matrices"), window = argc == 3 && !strcmp(argv[1], "window");
    if (p.n < 1 || p.n > 1 << 24 || (!matrices && !window && strcmp(argv[1], "tiled")))
        fail("usage: bench_attention_cost tiled|window|matrices LENGTH");
    p.q = normal(p.n * D, 1), p.k = normal(p.n * D, 2), p.v = normal(p.n * D, 3), p.grad_o = normal(p.n * D, 4);
    forget_peak();
    double before = memory("VmRSS"), best = INFINITY, end = now() + MEASURE_SECONDS;
    prepare(&p);
    matrices ? prepare_matrices(&p) : prepare_tiled(&p, window);
    do {
        double start = now();
        matrices ? run_matrices(&p) : run_tiled(&p);
        best = fmin(best, now() - start);
    } while (now() < end);
    printf("%lld\t%.6g\t%.6g\n", (long long)p.n, best, 1e-6 * (memory("VmHWM") - before));
    return 0;
}
