/* The Transformer behind the interface of every sequence-to-sequence model. */
#include "model/activation_names.h"
#include "model/translator_config.h"
#include "model/seq2seq.h"

static tensor *logits(tape *t, void *network, const source_batch *source, const target_batch *target,
                      const seq2seq_sink *sink)
{
    const attention_weights_sink encoder = {.self = sink ? sink->encoder : NULL};
    const attention_weights_sink decoder = {.self = sink ? sink->decoder : NULL, .cross = sink ? sink->cross : NULL};
    tensor *memory = translator_encode(t, network, source->ids, source->batch, source->length, source->lengths,
                                       sink ? &encoder : NULL);
    if (target->rows)
        return translator_decode_rows(t, network, memory, source->lengths, target->ids, source->batch, target->length,
                                      target->rows, target->count);
    return translator_decode(t, network, memory, source->lengths, target->ids, source->batch, target->length,
                             sink ? &decoder : NULL);
}

static attn_status begin(void **decoding, tape *t, void *network, const source_batch *source, int64_t rows_per_sequence,
                         int64_t max_steps)
{
    translator *m = network;
    *decoding = NULL;
    tensor *memory = translator_encode(t, m, source->ids, source->batch, source->length, source->lengths, NULL);
    attn_status status = tape_status(t);
    if (status) return status;
    transformer_cache *cache = NULL;
    status = transformer_cache_create(&cache, t, &m->decoder_options, m->decoder, m->config.decoder_layers, memory,
                                      source->batch, source->lengths, rows_per_sequence, max_steps);
    *decoding = cache;
    return status;
}

static tensor *step(tape *t, void *network, void *decoding, const int32_t *ids, const int64_t *from,
                    const int64_t *sequence_of, int64_t rows, int64_t position)
{
    attn_status status = transformer_cache_reorder(decoding, tape_threads(t), from, sequence_of, rows);
    if (status) {
        tape_fail(t, status);
        return tape_nothing(t);
    }
    return translator_step(t, network, decoding, ids, rows, position, NULL);
}

static tensor *project(tape *t, void *network, tensor *rows)
{
    return translator_project(t, network, rows);
}

static attn_status save(const void *network, const char *directory, weight_format format)
{
    return translator_save(network, directory, format);
}

static void describe(const void *network, attn_seq_description *description)
{
    const translator *m = network;
    const translator_config *c = &m->config;
    description->width = c->d_model;
    description->encoder_layers = c->encoder_layers;
    description->decoder_layers = c->decoder_layers;
    description->encoder_heads = c->encoder_heads;
    description->decoder_heads = c->decoder_heads;
    description->encoder_ffn = c->encoder_ffn_dim;
    description->decoder_ffn = c->decoder_ffn_dim;
    description->activation = activation_name(c->activation);
    description->unused_weights = m->unused.count;
    description->first_unused = m->unused.first;
}

static void destroy(void *network)
{
    translator_destroy(network);
}

static const seq2seq_family family = {logits, begin, step, project, save, describe, destroy};

seq2seq seq2seq_of_translator(translator *network)
{
    const translator_config *c = &network->config;
    return (seq2seq){
        .family = &family,
        .network = network,
        .parameters = &network->parameters,
        .generation = network->generation,
        .sizes = {.source_vocabulary = c->vocab_size,
                  .target_vocabulary = c->decoder_vocab_size,
                  .max_positions = c->max_position_embeddings,
                  .pad_id = c->pad_id,
                  .eos_id = c->eos_id,
                  .start_id = c->decoder_start_id,
                  .encoder = {c->encoder_layers, c->encoder_heads},
                  .decoder = {c->decoder_layers, c->decoder_heads},
                  .cross = {c->decoder_layers, c->decoder_heads}},
    };
}
