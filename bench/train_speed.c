/* Training speed: Marian of d 256, 3 + 3 layers, feed-forward 1024, vocabulary 8000, on batches of 64 x 24 random
 * tokens, fp32, label smoothing, dropout, clipping and Adam. Prints tokens (source + target) a second.
 *
 *     bench_train_speed [seconds [threads]] */
#include "drawn_pairs.h"
#include "timed_training.h"

#include "base/parallel.h"
#include "base/status.h"
#include "model/translator.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct bench {
    translator *model;
    drawn_pairs pairs;
} bench;

static tensor *logits(void *argument, tape *t, uint64_t step)
{
    bench *b = argument;
    draw_pairs(&b->pairs, step);
    tensor *memory = translator_encode(t, b->model, b->pairs.source, BATCH, LENGTH, b->pairs.lengths, NULL);
    return translator_decode(t, b->model, memory, b->pairs.lengths, b->pairs.input, BATCH, LENGTH, NULL);
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
        const timed_training training = {&b.model->parameters, threads, DENSE_FP32, b.pairs.expected, logits, &b};
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
