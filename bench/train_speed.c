/* Training speed: Marian of d 256, 3 + 3 layers, feed-forward 1024, vocabulary 8000, on batches of 64 x 24 random
 * tokens, fp32, label smoothing, dropout, clipping and Adam. Prints tokens (source + target) a second.
 *
 *     bench_train_speed [seconds [threads]] */
#include "base/parallel.h"
#include "base/random.h"
#include "base/status.h"
#include "model/translator.h"
#include "train/adam.h"
#include "train/clip.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BATCH = 64, LENGTH = 24, VOCABULARY = 8000 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct bench {
    translator *model;
    tape *t;
    adam optimizer;
    int threads;
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
        b->input[i] = i % LENGTH ? b->expected[i - 1] : b->model->config.decoder_start_id;
    }
}

static attn_status train_step(bench *b, uint64_t step, double *loss)
{
    parameters *p = &b->model->parameters;
    draw_batch(b, step);
    parameters_begin_gradients(p);
    tape_begin(b->t, step);
    tensor *memory = translator_encode(b->t, b->model, b->source, BATCH, LENGTH, b->lengths, NULL);
    tensor *logits = translator_decode(b->t, b->model, memory, b->lengths, b->input, BATCH, LENGTH, NULL);
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
    const translator_config config = {.vocab_size = VOCABULARY,
                                      .decoder_vocab_size = VOCABULARY,
                                      .d_model = 256,
                                      .encoder_layers = 3,
                                      .decoder_layers = 3,
                                      .encoder_heads = 8,
                                      .decoder_heads = 8,
                                      .encoder_ffn_dim = 1024,
                                      .decoder_ffn_dim = 1024,
                                      .max_position_embeddings = 128,
                                      .activation = ACTIVATION_SWISH,
                                      .scale_embedding = true,
                                      .share_encoder_decoder_embeddings = true,
                                      .tie_word_embeddings = true,
                                      .dropout = 0.1f,
                                      .eos_id = 0,
                                      .pad_id = VOCABULARY - 1,
                                      .decoder_start_id = VOCABULARY - 1};
    for (int i = 0; i < BATCH; i++) b->lengths[i] = LENGTH;
    attn_status s = translator_create(&b->model, &config, true, 1);
    if (s == ATTN_OK) s = tape_create(&b->t, TAPE_TRAIN, b->threads);
    const adam_options options = {0.9f, 0.98f, 1e-9f, 0};
    return s == ATTN_OK ? adam_create(&b->optimizer, &options, b->model->parameters.total) : s;
}

int main(int argc, char **argv)
{
    static bench b;
    const double seconds = argc > 1 ? atof(argv[1]) : 10;
    b.threads = argc > 2 ? atoi(argv[2]) : parallel_default_threads();
    attn_status s = prepare(&b);
    double loss = 0, first = 0, begin = 0;
    uint64_t step = 0;
    const uint64_t warm = 3;
    for (; s == ATTN_OK && (step <= warm || now() - begin < seconds); step++) {
        if (step == warm) begin = now();
        s = train_step(&b, step, &loss);
        if (!step) first = loss;
    }
    if (s != ATTN_OK) {
        fprintf(stderr, "bench_train_speed: %s\n", status_message());
        return 1;
    }
    const double took = now() - begin, tokens = (double)(step - warm) * 2 * BATCH * LENGTH;
    printf("attn %.0f tokens/s, %d threads, %.1f ms a step, loss %.3f to %.3f\n", tokens / took, b.threads,
           1e3 * took / (double)(step - warm), first, loss);
    adam_destroy(&b.optimizer);
    tape_destroy(b.t);
    translator_destroy(b.model);
    return 0;
}
