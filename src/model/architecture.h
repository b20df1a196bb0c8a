/* Which of the architectures that this library runs a model directory holds, as its config.json says: model_type names
 * the family, architectures what stands on top of it. */
#ifndef MODEL_ARCHITECTURE_H
#define MODEL_ARCHITECTURE_H

#include "attn/seq.h"

typedef enum architecture_family {
    ARCHITECTURE_MARIAN,
    ARCHITECTURE_BART,
    ARCHITECTURE_TRANSFORMER,
    ARCHITECTURE_RECURRENT,
    ARCHITECTURE_CLASSIFIER
} architecture_family;

typedef struct architecture {
    const char *model_type, *name; /* "marian", "MarianMTModel" */
    architecture_family family;
    attn_seq_task task; /* what the commands use it for */
} architecture;

/* *out is one of a constant table. ATTN_ERROR_UNSUPPORTED names an architecture that is not in it, and those that are.
 * Where `architectures` is absent, the first of the model_type is meant. */
attn_status architecture_read(const architecture **out, const char *directory);

/* "translates", "classifies text", ...: what is said of a model for the task. */
const char *architecture_task_words(attn_seq_task task);

/* ATTN_ERROR_UNSUPPORTED where it is not for the task; `directory` begins the message. */
attn_status architecture_expect(const architecture *a, const char *directory, attn_seq_task task);

#endif
