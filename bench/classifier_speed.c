/* Training speed of classifiers, with label smoothing, dropout, clipping and Adam:
 *
 *     bert   d 256, 4 layers, 4 heads, feed-forward 1024, vocabulary 8000, batches of 32 x 64 random tokens
 *     vit    d 192, 6 layers, 6 heads, feed-forward 768, images of 32 x 32 x 3 in patches of 4 x 4, batches of 64
 *
 * Prints tokens or images a second, and the least time of the process's own that a step took, which other programs on
 * the machine do not lengthen.
 *
 *     bench_classifier_speed bert|vit [seconds [threads [fp32|bf16]]] */
#include "timed_training.h"

#include "base/parallel.h"
#include "base/random.h"
#include "base/status.h"
#include "model/classifier.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LABELS = 10, TEXTS = 32, LENGTH = 64, VOCABULARY = 8000, IMAGES = 64, SIDE = 32, CHANNELS = 3 };
enum { PIXELS = CHANNELS * SIDE * SIDE };

static char *labels[LABELS] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};

static const classifier_config bert = {
    .family = CLASSIFIER_BERT,
    .label_count = LABELS,
    .labels = labels,
    .width = 256,
    .layers = 4,
    .heads = 4,
    .ffn = 1024,
    .activation = ACTIVATION_GELU,
    .norm_epsilon = 1e-12f,
    .dropout = 0.1f,
    .attention_dropout = 0.1f,
    .classifier_dropout = -1,
    .vocab_size = VOCABULARY,
    .type_vocab_size = 2,
    .max_positions = 128,
};

static const classifier_config vit = {
    .family = CLASSIFIER_VIT,
    .label_count = LABELS,
    .labels = labels,
    .width = 192,
    .layers = 6,
    .heads = 6,
    .ffn = 768,
    .activation = ACTIVATION_GELU,
    .norm_epsilon = 1e-12f,
    .classifier_dropout = -1,
    .channels = CHANNELS,
    .rows = SIDE,
    .columns = SIDE,
    .patch_rows = 4,
    .patch_columns = 4,
    .row_stride = 4,
    .column_stride = 4,
    .qkv_bias = true,
};

typedef struct bench {
    classifier *model;
    bool text;
    int32_t ids[TEXTS * LENGTH], expected[IMAGES];
    float values[IMAGES * PIXELS];
} bench;

static classifier_input draw_batch(bench *b, uint64_t step)
{
    for (int i = 0; i < IMAGES; i++) b->expected[i] = (int32_t)(random_philox(step, (uint64_t)i, 1).word[0] % LABELS);
    if (b->text) {
        for (int i = 0; i < TEXTS * LENGTH; i++)
            b->ids[i] = (int32_t)(random_philox(step, (uint64_t)i, 0).word[0] % VOCABULARY);
        return (classifier_input){.batch = TEXTS, .ids = b->ids, .length = LENGTH};
    }
    for (int i = 0; i < IMAGES * PIXELS; i += 4) {
        const random_block r = random_philox(step, (uint64_t)i, 0);
        for (int j = 0; j < 4; j++) b->values[i + j] = 2 * random_unit(r.word[j]) - 1;
    }
    return (classifier_input){.batch = IMAGES, .values = b->values};
}

static tensor *logits(void *argument, tape *t, uint64_t step)
{
    bench *b = argument;
    const classifier_input input = draw_batch(b, step);
    return classifier_logits(t, b->model, &input, NULL);
}

int main(int argc, char **argv)
{
    static bench b;
    b.text = argc > 1 && !strcmp(argv[1], "bert");
    if (!b.text && (argc < 2 || strcmp(argv[1], "vit") != 0)) {
        fputs("usage: bench_classifier_speed bert|vit [seconds [threads [fp32|bf16]]]\n", stderr);
        return 2;
    }
    const double seconds = argc > 2 ? atof(argv[2]) : 10;
    const int threads = argc > 3 ? atoi(argv[3]) : parallel_default_threads();
    const dense_type products = argc > 4 && strcmp(argv[4], "bf16") == 0 ? DENSE_BF16 : DENSE_FP32;
    training_figures f;
    attn_status s = classifier_create(&b.model, b.text ? &bert : &vit, true, 1);
    if (s == ATTN_OK) {
        const timed_training training = {&b.model->parameters, threads, products, b.expected, logits, &b};
        s = timed_training_run(&training, seconds, &f);
    }
    if (s != ATTN_OK) {
        fprintf(stderr, "bench_classifier_speed: %s\n", status_message());
        return 1;
    }
    const double each = b.text ? TEXTS * LENGTH : IMAGES;
    printf("attn %.0f %s/s, %d threads, %s, %.1f ms a step, least of the process %.1f, loss %.3f\n",
           f.steps * each / f.seconds, b.text ? "tokens" : "images", threads, products == DENSE_BF16 ? "bf16" : "fp32",
           1e3 * f.seconds / f.steps, 1e3 * f.least, f.last);
    classifier_destroy(b.model);
    return 0;
}
