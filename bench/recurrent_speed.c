/* Training speed: an LSTM of 512 units, one layer in both directions and one in the decoder, Luong's general attention,
 * embedding 256, vocabulary 8000, on batches of 64 x 24 random tokens, label smoothing, dropout, clipping and Adam.
 * Prints tokens (source + target) a second, and the least time of the process's own that a step took, which other
 * programs on the machine do not lengthen.
 *
 *     bench_recurrent_speed [seconds [threads [fp32|bf16]]] */
#include "base/parallel.h"
#include "base/random.h"
#include "base/status.h"
#include "model/seq2seq.h"
#include "train/adam.h"
#include "train/clip.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCH = 64, LENGTH = 24, VOCABULARY = 8000 };

static double seconds_of(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct bench {
    seq2seq model;
    tape *t;
    adam optimizer;
    int threads;
    dense_type products;
    int32_t source[BATCH * LENGTH], input[BATCH * LENGTH], expected[BATCH * LENGTH];
    int64_t lengths[BATCH];
} bench;

/* Every step sees other tokens; each target ends where the next one would begin. */
static void draw_batch(bench *b, uint64_t step)
{
    for (int i = 0; i < BATCH * LENGTH; i++) {
        const random_block r = random_philox(step, (uint64_t)i, 0);
        b->source[i] = (int32_t)(2 + r.word[0] % (VOCABULARY - 3));
        b->expected[i] = (int32_t)(2 + r.word[1] % (VOCABULARY - 3));
        b->input[i] = i % LENGTH ? b->expected[i - 1] : VOCABULARY - 1;
    }
}

static attn_status train_step(bench *b, uint64_t step, double *loss)
{
    parameters *p = b->model.parameters;
    const source_batch source = {b->source, BATCH, LENGTH, b->lengths};
    const target_batch target = {.ids = b->input, .length = LENGTH};
    draw_batch(b, step);
    parameters_begin_gradients(p);
    tape_begin(b->t, step);
    tensor *logits = b->model.family->logits(b->t, b->model.network, &source, &target, NULL);
    tensor *mean = tape_cross_entropy(b->t, logits, b->expected, 0.1f, NULL, NULL);
    attn_status s = tape_backward(b->t, mean);
    if (s != ATTN_OK) return s;
    parameters_end_gradients(p);
    *loss = mean->value[0];
    const float scale = clip_scale(gradient_norm(b->threads, p->total, p->grads), 1);
    adam_step(&b->optimizer, b->threads, 3e-4f, scale, p->grads, p->values);
    return ATTN_OK;
}

static attn_status prepare(bench *b)
{
    const recurrent_config config = {.cell = RECURRENT_LSTM,
                                     .attention = RECURRENT_GENERAL,
                                     .bidirectional = true,
                                     .vocab_size = VOCABULARY,
                                     .embedding_size = 256,
                                     .hidden_size = 512,
                                     .encoder_layers = 1,
                                     .decoder_layers = 1,
                                     .max_length = 128,
                                     .dropout = 0.2f,
                                     .pad_id = VOCABULARY - 1,
                                     .decoder_start_id = VOCABULARY - 1};
    recurrent_translator *network;
    for (int i = 0; i < BATCH; i++) b->lengths[i] = LENGTH;
    attn_status s = recurrent_translator_create(&network, &config, true, 1);
    if (s == ATTN_OK) b->model = seq2seq_of_recurrent(network);
    if (s == ATTN_OK) s = tape_create(&b->t, TAPE_TRAIN, b->threads);
    if (s == ATTN_OK) s = tape_set_products(b->t, b->products);
    const adam_options options = {0.9f, 0.98f, 1e-9f, 0};
    return s == ATTN_OK ? adam_create(&b->optimizer, &options, b->model.parameters->total) : s;
}

int main(int argc, char **argv)
{
    static bench b;
    const double seconds = argc > 1 ? atof(argv[1]) : 10;
    b.threads = argc > 2 ? atoi(argv[2]) : parallel_default_threads();
    b.products = argc > 3 && strcmp(argv[3], "bf16") == 0 ? DENSE_BF16 : DENSE_FP32;
    attn_status s = prepare(&b);
    double loss = 0, first = 0, begin = 0, least = INFINITY;
    uint64_t step = 0;
    const uint64_t warm = 3;
    for (; s == ATTN_OK && (step <= warm || seconds_of(CLOCK_MONOTONIC) - begin < seconds); step++) {
        if (step == warm) begin = seconds_of(CLOCK_MONOTONIC);
        const double before = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
        s = train_step(&b, step, &loss);
        least = fmin(least, seconds_of(CLOCK_PROCESS_CPUTIME_ID) - before);
        if (!step) first = loss;
    }
    if (s != ATTN_OK) {
        fprintf(stderr, "bench_recurrent_speed: %s\n", status_message());
        return 1;
    }
    const double took = seconds_of(CLOCK_MONOTONIC) - begin, tokens = (double)(step - warm) * 2 * BATCH * LENGTH;
    printf("attn %.0f tokens/s, %d threads, %s, %.1f ms a step, least of the process %.1f, loss %.3f to %.3f\n",
           tokens / took, b.threads, b.products == DENSE_BF16 ? "bf16" : "fp32", 1e3 * took / (double)(step - warm),
           1e3 * least, first, loss);
    adam_destroy(&b.optimizer);
    tape_destroy(b.t);
    seq2seq_destroy(&b.model);
    return 0;
}
