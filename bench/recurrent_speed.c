/* Training speed: an LSTM of 512 units, one layer in both directions and one in the decoder, Luong's general attention,
 * embedding 256, vocabulary 8000, on batches of 64 x 24 random tokens, label smoothing, dropout, clipping and Adam.
 * Prints tokens (source + target) a second, and the least time of the process's own that a step took, which other
 * programs on the machine do not lengthen.
 *
 *     bench_recurrent_speed [seconds [threads [fp32|bf16]]] */
#include "drawn_pairs.h"
#include "timed_training.h"

#include "base/parallel.h"
#include "base/status.h"
#include "model/seq2seq.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct bench {
    seq2seq model;
    drawn_pairs pairs;
} bench;

static tensor *logits(void *argument, tape *t, uint64_t step)
{
    bench *b = argument;
    const source_batch source = {b->pairs.source, BATCH, LENGTH, b->pairs.lengths};
    const target_batch target = {.ids = b->pairs.input, .length = LENGTH};
    draw_pairs(&b->pairs, step);
    return b->model.family->logits(t, b->model.network, &source, &target, NULL);
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
    attn_status s = recurrent_translator_create(&network, &config, true, 1);
    if (s == ATTN_OK) b->model = seq2seq_of_recurrent(network);
    return s;
}

int main(int argc, char **argv)
{
    static bench b;
    const double seconds = argc > 1 ? atof(argv[1]) : 10;
    const int threads = argc > 2 ? atoi(argv[2]) : parallel_default_threads();
    const dense_type products = argc > 3 && strcmp(argv[3], "bf16") == 0 ? DENSE_BF16 : DENSE_FP32;
    training_figures f;
    attn_status s = prepare(&b);
    if (s == ATTN_OK) {
        const timed_training training = {b.model.parameters, threads, products, b.pairs.expected, logits, &b};
        s = timed_training_run(&training, seconds, &f);
    }
    if (s != ATTN_OK) {
        fprintf(stderr, "bench_recurrent_speed: %s\n", status_message());
        return 1;
    }
    printf("attn %.0f tokens/s, %d threads, %s, %.1f ms a step, least of the process %.1f, loss %.3f to %.3f\n",
           f.steps * 2 * BATCH * LENGTH / f.seconds, threads, products == DENSE_BF16 ? "bf16" : "fp32",
           1e3 * f.seconds / f.steps, 1e3 * f.least, f.first, f.last);
    seq2seq_destroy(&b.model);
    return 0;
}
