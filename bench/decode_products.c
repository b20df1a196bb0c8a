/* attn_decode beside the two plain products that stand in it, by oneDNN, with the cache of keys and values in the CPU's
 * own caches: for each key head, the queries that share it times K^T, and as many rows of weights times V. The products
 * get no softmax and no lengths. fp32, one query a sequence, D = DV = 128, one thread.
 *
 *     bench_decode_products */
#include "attn/attn.h"
#include "base/random.h"

#include <dnnl.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { D = 128, ROUNDS = 15 };

#define BATCH_SECONDS 0.01

static void check(attn_status status)
{
    if (!status) return;
    fprintf(stderr, "bench_decode_products: %s\n", attn_error());
    exit(1);
}

static void *take(size_t bytes)
{
    void *p = aligned_alloc(ATTN_ALIGNMENT, (bytes + ATTN_ALIGNMENT) & ~(size_t)(ATTN_ALIGNMENT - 1));
    if (!p) exit((fputs("bench_decode_products: no memory\n", stderr), 1));
    return p;
}

static float *uniform(int64_t count, uint64_t key)
{
    float *x = take((size_t)count * sizeof *x);
    for (int64_t i = 0; i < count; i++) x[i] = 2 * random_unit(random_philox(key, (uint64_t)i, 0).word[0]) - 1;
    return x;
}

typedef struct step {
    int64_t B, H, HK, S;
    float *q, *k, *v, *o, *weights; /* weights: (B, H, S), scores first */
    int64_t *lengths;
    attn_desc desc;
    attn_cache cache;
    void *workspace;
    size_t size;
} step;

static step prepared(int64_t B, int64_t H, int64_t HK, int64_t S)
{
    step x = {.B = B, .H = H, .HK = HK, .S = S};
    x.q = uniform(B * H * D, 1), x.k = uniform(B * HK * S * D, 2), x.v = uniform(B * HK * S * D, 3);
    x.o = take((size_t)(B * H * D) * sizeof(float)), x.weights = take((size_t)(B * H * S) * sizeof(float));
    x.lengths = take((size_t)B * sizeof(int64_t));
    for (int64_t b = 0; b < B; b++) x.lengths[b] = S;
    attn_desc_init(&x.desc, sizeof x.desc, B, H, HK, 1, S, D, D);
    attn_cache_init(&x.cache, sizeof x.cache, B, HK, S, D, D, 0, 0);
    x.desc.q.data = x.q, x.desc.o.data = x.o, x.desc.causal = true, x.desc.parallel.threads = 1;
    x.cache.k.data = x.k, x.cache.v.data = x.v, x.cache.lengths = x.lengths;
    check(attn_decode_workspace_size(&x.desc, &x.cache, &x.size));
    x.workspace = take(x.size);
    return x;
}

static void clear(step *x)
{
    void *all[] = {x->q, x->k, x->v, x->o, x->weights, x->lengths, x->workspace};
    for (size_t n = 0; n < sizeof all / sizeof all[0]; n++) free(all[n]);
}

static void decode(const step *x)
{
    check(attn_decode(&x->desc, &x->cache, x->workspace, x->size));
}

/* c (M, N) = a (M, K) b, b (K, N) or, transposed, (N, K). */
static void product(int64_t M, int64_t N, int64_t K, const float *a, const float *b, bool transposed, float *c)
{
    if (dnnl_sgemm('N', transposed ? 'T' : 'N', M, N, K, 1, a, K, b, transposed ? K : N, 0, c, N) == dnnl_success)
        return;
    fputs("bench_decode_products: oneDNN's product failed\n", stderr);
    exit(1);
}

static void multiply(const step *x)
{
    const int64_t share = x->H / x->HK;
    for (int64_t n = 0; n < x->B * x->HK; n++) {
        float *weights = x->weights + n * share * x->S;
        product(share, x->S, D, x->q + n * share * D, x->k + n * x->S * D, true, weights);
        product(share, D, x->S, weights, x->v + n * x->S * D, false, x->o + n * share * D);
    }
}

/* Seconds of one call. */
static double time_of(void (*call)(const step *), const step *x)
{
    struct timespec from, to;
    int64_t calls = 0;
    double seconds = 0;
    call(x); /* what it reads is in the caches again */
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    for (; seconds < BATCH_SECONDS; calls++) {
        call(x);
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
        seconds = (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec);
    }
    return seconds / (double)calls;
}

int main(void)
{
    static const int64_t shapes[][4] = {{1, 4, 1, 512}, {1, 8, 2, 512}, {1, 32, 8, 512}, {4, 32, 8, 512}};
    const dnnl_version_t *library = dnnl_version();
    omp_set_num_threads(1);
    printf("%s, %s, oneDNN %d.%d.%d; microseconds of a call; K and V as large as said\n", attn_cpu_name(),
           attn_cpu_used(), library->major, library->minor, library->patch);
    printf("   B   H  HK      S       KB    decode  products  products/decode\n");
    for (size_t n = 0; n < sizeof shapes / sizeof shapes[0]; n++) {
        step x = prepared(shapes[n][0], shapes[n][1], shapes[n][2], shapes[n][3]);
        double ours = INFINITY, theirs = INFINITY;
        for (int round = 0; round < ROUNDS; round++) {
            ours = fmin(ours, time_of(decode, &x));
            theirs = fmin(theirs, time_of(multiply, &x));
        }
        printf("%4lld %3lld %3lld %6lld %8lld %9.2f %9.2f  %.2f\n", (long long)x.B, (long long)x.H, (long long)x.HK,
               (long long)x.S, (long long)(x.B * x.HK * x.S * D * 8 / 1024), 1e6 * ours, 1e6 * theirs, theirs / ours);
        fflush(stdout);
        clear(&x);
    }
    return 0;
}
