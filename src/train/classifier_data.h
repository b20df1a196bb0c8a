/* What a classifier learns from and is judged by: labelled examples in memory, and what prepares them for the model. */
#ifndef TRAIN_CLASSIFIER_DATA_H
#define TRAIN_CLASSIFIER_DATA_H

#include "attn/seq.h"
#include "input/loaded_examples.h"
#include "input/spectrogram.h"
#include "train/training_loop.h"

typedef struct classifier_data {
    example_kind kind;
    label_list labels;
    loaded_examples train, valid;  /* valid.count 0: none */
    tokenizer *tokenizer;          /* text */
    image_preparation image;       /* images */
    spectrogram_preparation sound; /* audio */
    spectrogram *spectrogram;      /* that does it */
    int64_t patch;                 /* images and audio */
    uint64_t fingerprint;          /* of the training examples */
} classifier_data;

/* The kind of examples that a task reads; the task is one of ATTN_SEQ_TASK_CLASSIFY_... */
example_kind classifier_example_kind(int64_t task);

/* Reads the examples; of text, opens the directory's tokenizer: if the run begins, after training it, or that of
 * options->from. *out is overwritten, and must be cleared by the caller also after a failure. */
attn_status classifier_data_load(classifier_data *out, const training_setup *setup);
void classifier_data_clear(classifier_data *d);

#endif
