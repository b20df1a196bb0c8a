/* Training speed: Marian of d 256, 3 + 3 layers, feed-forward 1024, vocabulary 8000, on batches of 64 x 24 random
 * tokens, fp32, label smoothing, dropout, clipping and Adam. Prints tokens (source + target) a second.
 *
 *     bench_train_speed [seconds [threads]] */
#include "timed_training.h"

#include "base/parallel.h"
#include "base/random.h"
#include "base/status.h"
#include "model/translator.h"

#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 64, LENGTH = 24, VOCABULARY = 8000 };

typedef struct bench {
    translator *model;
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

static tensor *logits(void *argument, tape *t, uint64_t step)
{
    bench *b = argument;
    draw_batch(b, step);
    tensor *memory = translator_encode(t, b->model, b->source, BATCH, LENGTH, b->lengths, NULL);
    return translator_decode(t, b->model, memory, b->lengths, b->input, BATCH, LENGTH, NULL);
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
    return translator_create(&b->model, &config, true, 1);
}

int main(int argc, char **argv)
{
    static bench b;
    const double seconds = argc > 1 ? atof(argv[1]) : 10;
    const int threads = argc > 2 ? atoi(argv[2]) : parallel_default_threads();
    training_figures f;
    attn_status s = prepare(&b);
    if (s == ATTN_OK) {
        const timed_training training = {&b.model->parameters, threads, DENSE_FP32, b.expected, logits, &b};
        s = timed_training_run(&training, seconds, &f);
    }
    if (s != ATTN_OK) {
        fprintf(stderr, "bench_train_speed: %s\n", status_message());
        return 1;
    }
    printf("attn %.0f tokens/s, %d threads, %.1f ms a step, loss %.3f to %.3f\n",
           f.steps * 2 * BATCH * LENGTH / f.seconds, threads, 1e3 * f.seconds / f.steps, f.first, f.last);
    translator_destroy(b.model);
    return 0;
}
