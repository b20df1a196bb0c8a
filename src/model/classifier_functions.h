/* What a family of classifiers brings: its names for the configuration's fields and the weights, and the way from the
 * input to the logits. A new family is a file that defines one of these and a row in classifier_functions.c. */
#ifndef MODEL_CLASSIFIER_FUNCTIONS_H
#define MODEL_CLASSIFIER_FUNCTIONS_H

#include "formats/config.h"
#include "model/classifier.h"
#include "model/weight_visitor.h"

#include <jansson.h>

typedef struct classifier_functions {
    const char *model_type, *architecture; /* config.json: "bert", "BertForSequenceClassification" */
    bool recurrent;                        /* no Transformer: heads, ffn and activation mean nothing */
    bool pre_norm;                         /* of the Transformer's layers */
    const char *encoder_prefix; /* of the encoder's weights; files of the encoder alone have them without it */
    size_t parts_size;          /* of what classifier.parts points to; zeroed when `walk` sees it first */

    /* The family's own fields; the labels have been read. Failures are kept in f. */
    void (*read)(config *f, classifier_config *c);

    /* The same fields as a JSON object, NULL when memory is short. */
    json_t *(*write)(const classifier_config *c);

    /* Whether the family's own numbers are in range and fit together, those of the Transformer having been checked;
     * `name` begins the message. */
    attn_status (*check)(const classifier_config *c, const char *name);

    /* The walk over all weights of a classifier, head included. */
    weight_walk walk;

    /* What the names do not tell of new weights; NULL: nothing. */
    void (*begin)(classifier *m);

    tensor *(*logits)(tape *t, const classifier *m, const classifier_input *input, const attention_weights_sink *sink);
} classifier_functions;

const classifier_functions *classifier_functions_of(classifier_family family);

extern const classifier_functions ast_functions, bert_functions, recurrent_functions, vit_functions;

/* ---- for families ----------------------------------------------------------------------------------------------- */

/* The fields that all Transformers of Hugging Face's classifiers call the same: hidden_size, num_hidden_layers,
 * num_attention_heads, intermediate_size, hidden_act, layer_norm_eps (`norm_epsilon` where absent) and the dropouts
 * (`dropout` where absent). */
void classifier_read_transformer(config *f, classifier_config *c, double norm_epsilon, double dropout);
json_t *classifier_write_transformer(const classifier_config *c);

/* ATTN_ERROR_FORMAT "NAME: FIELD is VALUE, expected LEAST to MOST". */
attn_status classifier_check_range(const char *name, const char *field, int64_t value, int64_t least, int64_t most);

#endif
