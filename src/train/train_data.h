/* What a run learns from: the tokenizer in the model's directory, trained if need be, and the pairs as token ids. */
#ifndef TRAIN_TRAIN_DATA_H
#define TRAIN_TRAIN_DATA_H

#include "attn/seq.h"
#include "input/pairs.h"
#include "input/tokenizer.h"
#include "train/training_loop.h"

typedef struct train_data {
    tokenizer *tokenizer;
    token_pairs train, valid; /* valid.count 0: none given */
    pair_texts valid_texts;   /* all of them, also those too long for `valid` */
    long_sources policy;
    int64_t longest_target; /* of the training pairs */
    int64_t positions; /* that the model needs: the longest training side, rounded up to whole 32s where none is cut */
    uint64_t fingerprint; /* of the training ids: resuming on others is refused */
} train_data;

/* What a kind of training makes of pairs. */
typedef struct train_data_form {
    long_sources long_sources;
    bool bart_tokenizer; /* tokenizer.json in BART's style, else Marian's files */
} train_data_form;

/* Reads the pairs and opens the directory's tokenizer: if the run begins, after training it, or that of
 * options->from. *out is overwritten, and must be cleared by the caller also after a failure. */
attn_status train_data_load(train_data *out, const training_setup *setup, const train_data_form *form);
void train_data_clear(train_data *d);

#endif
