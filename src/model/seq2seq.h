/* A sequence-to-sequence model as decoding, scoring, training and looking see it: a source goes in, the logits of the
 * target's pieces come out. A Transformer or a recurrent network stands behind it and fills one table of functions. */
#ifndef MODEL_SEQ2SEQ_H
#define MODEL_SEQ2SEQ_H

#include "attn/seq.h"
#include "model/generation.h"
#include "model/recurrent_translator.h"
#include "model/translator.h"
#include "model/weight_format.h"
#include "tensor/parameters.h"

/* Of one kind of attention, 0 layers where the network has none. */
typedef struct attended_layers {
    int64_t layers, heads;
} attended_layers;

typedef struct seq2seq_sizes {
    int64_t source_vocabulary, target_vocabulary; /* rows of the embeddings */
    int64_t max_positions;                        /* pieces that a source or a target may have, </s> among them */
    int32_t pad_id, eos_id, start_id;
    attended_layers encoder, decoder, cross; /* source by source, target by target, target by source */
} seq2seq_sizes;

/* Sources ended by </s> and padded into a rectangle. */
typedef struct source_batch {
    const int32_t *ids; /* (batch, length) */
    int64_t batch, length;
    const int64_t *lengths; /* (batch) */
} source_batch;

/* Their targets for one teacher-forced pass. */
typedef struct target_batch {
    const int32_t *ids; /* (batch, length): the start id, then the target shifted right, padded */
    int64_t length;
    const int64_t *rows; /* (count) those of the batch * length rows whose logits are wanted, ascending; NULL: all */
    int64_t count;
} target_batch;

/* Where attention weights go when someone wants to look: an array for each layer, (B, H, T, S), each NULL or filled;
 * NULL for a kind that nobody looks at. */
typedef struct seq2seq_sink {
    float **encoder, **decoder, **cross;
} seq2seq_sink;

/* What a network fills in. On a tape that infers the network is only read. */
typedef struct seq2seq_family {
    /* -> logits (count or batch * length, target_vocabulary); sink may be NULL. */
    tensor *(*logits)(tape *t, void *network, const source_batch *source, const target_batch *target,
                      const seq2seq_sink *sink);

    /* Encodes the sources and makes what a decoding keeps between steps, for at most rows_per_sequence hypotheses of
     * each and max_steps steps. It lies on the tape until that begins anew. */
    attn_status (*begin)(void **decoding, tape *t, void *network, const source_batch *source, int64_t rows_per_sequence,
                         int64_t max_steps);
    /* Row r continues what row from[r] was after the step before (search.h) and is given ids[r] -> (rows, width), what
     * project makes logits of. The tape is another one than begin's. */
    tensor *(*step)(tape *t, void *network, void *decoding, const int32_t *ids, const int64_t *from,
                    const int64_t *sequence_of, int64_t rows, int64_t position);
    /* Any of a step's rows -> their logits (rows, target_vocabulary). */
    tensor *(*project)(tape *t, void *network, tensor *rows);

    /* Writes DIR/config.json, model.safetensors and what else belongs to them, each beside and renamed. */
    attn_status (*save)(const void *network, const char *directory, weight_format format);
    /* Fills what depends on the network: width, layers, heads, feed-forward, activation. */
    void (*describe)(const void *network, attn_seq_description *description);
    void (*destroy)(void *network); /* NULL is ignored */
} seq2seq_family;

typedef struct seq2seq {
    const seq2seq_family *family;
    void *network;
    parameters *parameters; /* the network's */
    seq2seq_sizes sizes;
    generation_settings generation;
} seq2seq;

void seq2seq_destroy(seq2seq *m); /* zeroes *m; one that is zeroed already is ignored */

/* The model that the network, which now belongs to it, is. */
seq2seq seq2seq_of_translator(translator *network);
seq2seq seq2seq_of_recurrent(recurrent_translator *network);

#endif
