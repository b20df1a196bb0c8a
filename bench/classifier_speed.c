/* Training speed of classifiers, fp32, with label smoothing, dropout, clipping and Adam:
 *
 *     bert   d 256, 4 layers, 4 heads, feed-forward 1024, vocabulary 8000, batches of 32 x 64 random tokens
 *     vit    d 192, 6 layers, 6 heads, feed-forward 768, images of 32 x 32 x 3 in patches of 4 x 4, batches of 64
 *
 * Prints tokens or images a second.
 *
 *     bench_classifier_speed bert|vit [seconds [threads]] */
#include "base/parallel.h"
#include "base/random.h"
#include "base/status.h"
#include "model/classifier.h"
#include "train/adam.h"
#include "train/clip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct bench {
    classifier *model;
    tape *t;
    adam optimizer;
    int threads;
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

static attn_status train_step(bench *b, uint64_t step, double *loss)
{
    parameters *p = &b->model->parameters;
    const classifier_input input = draw_batch(b, step);
    parameters_begin_gradients(p);
    tape_begin(b->t, step);
    tensor *logits = classifier_logits(b->t, b->model, &input, NULL);
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
    attn_status s = classifier_create(&b->model, b->text ? &bert : &vit, true, 1);
    if (s == ATTN_OK) s = tape_create(&b->t, TAPE_TRAIN, b->threads);
    const adam_options options = {.beta1 = 0.9f, .beta2 = 0.98f, .epsilon = 1e-9f};
    return s == ATTN_OK ? adam_create(&b->optimizer, &options, b->model->parameters.total) : s;
}

int main(int argc, char **argv)
{
    static bench b;
    b.text = argc > 1 && !strcmp(argv[1], "bert");
    if (!b.text && (argc < 2 || strcmp(argv[1], "vit") != 0)) {
        fputs("usage: bench_classifier_speed bert|vit [seconds [threads]]\n", stderr);
        return 2;
    }
    const double seconds = argc > 2 ? atof(argv[2]) : 10;
    b.threads = argc > 3 ? atoi(argv[3]) : parallel_default_threads();
    attn_status s = prepare(&b);
    double loss = 0, begin = 0;
    uint64_t step = 0;
    const uint64_t warm = 3;
    for (; s == ATTN_OK && (step <= warm || now() - begin < seconds); step++) {
        if (step == warm) begin = now();
        s = train_step(&b, step, &loss);
    }
    if (s != ATTN_OK) {
        fprintf(stderr, "bench_classifier_speed: %s\n", status_message());
        return 1;
    }
    const double took = now() - begin, each = b.text ? TEXTS * LENGTH : IMAGES, steps = (double)(step - warm);
    printf("attn %.0f %s/s, %d threads, %.1f ms a step, loss %.3f\n", steps * each / took, b.text ? "tokens" : "images",
           b.threads, 1e3 * took / steps, loss);
    adam_destroy(&b.optimizer);
    tape_destroy(b.t);
    classifier_destroy(b.model);
    return 0;
}
