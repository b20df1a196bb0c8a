/* The recurrent network behind the interface of every sequence-to-sequence model. */
#include "model/recurrent_config.h"
#include "model/recurrent_decoding.h"
#include "model/seq2seq.h"

static tensor *logits(tape *t, void *network, const source_batch *source, const target_batch *target,
                      const seq2seq_sink *sink)
{
    recurrent_memory memory;
    float *weights = sink && sink->cross ? sink->cross[0] : NULL;
    recurrent_encode(t, network, source->ids, source->batch, source->length, source->lengths, &memory);
    tensor *a =
        recurrent_decode(t, network, &memory, target->ids, target->length, target->rows, target->count, weights);
    return recurrent_logits(t, network, a);
}

static attn_status begin(void **decoding, tape *t, void *network, const source_batch *source, int64_t rows_per_sequence,
                         int64_t max_steps)
{
    (void)max_steps; /* what is kept does not grow */
    *decoding = NULL;
    recurrent_memory memory;
    recurrent_encode(t, network, source->ids, source->batch, source->length, source->lengths, &memory);
    attn_status status = tape_status(t);
    if (status != ATTN_OK) return status;
    recurrent_decoding *d;
    status = recurrent_decoding_create(&d, t, network, &memory, source->batch * rows_per_sequence);
    *decoding = d;
    return status;
}

static tensor *step(tape *t, void *network, void *decoding, const int32_t *ids, const int64_t *from,
                    const int64_t *sequence_of, int64_t rows, int64_t position)
{
    (void)network;
    return recurrent_decoding_step(t, decoding, ids, from, sequence_of, rows, position);
}

static tensor *project(tape *t, void *network, tensor *rows)
{
    return recurrent_logits(t, network, rows);
}

static attn_status save(const void *network, const char *directory, weight_format format)
{
    return recurrent_translator_save(network, directory, format);
}

static void describe(const void *network, attn_seq_description *description)
{
    const recurrent_translator *m = network;
    const recurrent_config *c = &m->config;
    description->width = c->hidden_size;
    description->encoder_layers = c->encoder_layers;
    description->decoder_layers = c->decoder_layers;
    description->cell = recurrent_cell_names[c->cell];
    description->attention = recurrent_attention_names[c->attention];
    description->activation = "tanh";
    description->unused_weights = m->unused.count;
    description->first_unused = m->unused.first;
}

static void destroy(void *network)
{
    recurrent_translator_destroy(network);
}

static const seq2seq_family family = {logits, begin, step, project, save, describe, destroy};

seq2seq seq2seq_of_recurrent(recurrent_translator *network)
{
    const recurrent_config *c = &network->config;
    return (seq2seq){
        .family = &family,
        .network = network,
        .parameters = &network->parameters,
        .generation = generation_standard(),
        .sizes = {.source_vocabulary = c->vocab_size,
                  .target_vocabulary = c->vocab_size,
                  .max_positions = c->max_length,
                  .pad_id = c->pad_id,
                  .eos_id = c->eos_id,
                  .start_id = c->decoder_start_id,
                  .cross = {c->attention == RECURRENT_UNATTENDED ? 0 : 1, 1}},
    };
}
