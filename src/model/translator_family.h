/* What sets Hugging Face's families of sequence-to-sequence Transformers apart: one row each. The rest, post-norm
 * layers and the names of their weights, they have in common. */
#ifndef MODEL_TRANSLATOR_FAMILY_H
#define MODEL_TRANSLATOR_FAMILY_H

#include "attn/attn.h"

typedef enum translator_kind { TRANSLATOR_MARIAN, TRANSLATOR_BART, TRANSLATOR_OWN, TRANSLATOR_KINDS } translator_kind;

/* An id that config.json leaves out. */
#define TRANSLATOR_ID_REQUIRED (-1)
#define TRANSLATOR_ID_PAD (-2) /* is <pad>'s */

typedef struct translator_family {
    const char *model_type, *architecture; /* in config.json */
    bool separate_vocabularies;            /* source and target may have vocabularies and embeddings of their own */
    bool learned_positions;                /* a table of weights for each side, else sines */
    int64_t position_offset;               /* the table's row of position 0 */
    bool embedding_norm;                   /* LayerNorm of embedding and position together */
    bool chosen_attention; /* fewer heads of keys and values, norms of both, capped scores may be chosen */
    bool scale_embedding;  /* where training begins */
    int32_t pad_id, eos_id, decoder_start_id;
} translator_family;

const translator_family *translator_family_of(translator_kind kind);

#endif
