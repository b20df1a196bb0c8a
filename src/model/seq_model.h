/* What an attn_seq_model holds. Read-only once open: every call brings its own tape. */
#ifndef MODEL_SEQ_MODEL_H
#define MODEL_SEQ_MODEL_H

#include "attn/seq.h"
#include "input/image.h"
#include "input/spectrogram.h"
#include "input/tokenizer.h"
#include "model/architecture.h"
#include "model/classifier.h"
#include "model/seq2seq.h"

struct attn_seq_model {
    char *directory;
    const architecture *architecture;
    seq2seq seq2seq;        /* of translators and summarizers */
    classifier *classifier; /* NULL: it is none */
    tokenizer *tokenizer;   /* NULL: the input is no text */
    image_preparation image;
    spectrogram_preparation sound;
    spectrogram *spectrogram; /* NULL: the input is no sound */
};

/* ATTN_ERROR_UNSUPPORTED where the model is for another task, which the message names. */
attn_status seq_model_expect(const attn_seq_model *model, attn_seq_task task);

#endif
