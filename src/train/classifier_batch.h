/* Examples of one batch, as the model takes them. */
#ifndef TRAIN_CLASSIFIER_BATCH_H
#define TRAIN_CLASSIFIER_BATCH_H

#include "model/classifier.h"
#include "train/classifier_data.h"

typedef struct classifier_batch {
    classifier_input input;
    int32_t *expected; /* the labels, of input.batch */
    int32_t *ids;      /* what input points at */
    int64_t *lengths;
    float *values;
    int64_t capacity, id_capacity, value_capacity; /* examples, ids, values that there is room for */
} classifier_batch;

/* How examples become a batch. */
typedef struct batch_maker {
    const classifier_data *data;
    const loaded_examples *examples; /* data's train or valid */
    int32_t pad_id;                  /* text */
    double augment;                  /* strength, 0: none */
    int threads;
} batch_maker;

/* Fills *b, zeroed before its first use, with the examples chosen[0 .. count). Augmentation follows from the key. */
attn_status classifier_batch_fill(classifier_batch *b, const batch_maker *m, const int64_t *chosen, int64_t count,
                                  uint64_t key);
void classifier_batch_clear(classifier_batch *b);

#endif
