/* What an attn_seq_model holds. Read-only once open: every call brings its own tape. */
#ifndef MODEL_SEQ_MODEL_H
#define MODEL_SEQ_MODEL_H

#include "attn/seq.h"
#include "input/tokenizer.h"
#include "model/translator.h"

struct attn_seq_model {
    char *directory;
    translator *translator;
    tokenizer *tokenizer;
};

#endif
