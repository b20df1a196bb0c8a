/* A classifier, whole: input embedding, encoder, head, and the Hugging Face directory it is kept in. One interface for
 * text, images and audio; what a family (BERT, ViT, AST, ...) has of its own is one file behind
 * model/classifier_functions.h.
 *
 *     classifier *m;
 *     attn_status s = classifier_open(&m, directory, false);
 *     classifier_input input = {.batch = 1, .ids = ids, .length = count};
 *     tensor *logits = classifier_logits(tape, m, &input, NULL);   // (1, m->config.label_count)
 *
 * How opening works, for who cares about a cold start: config.json is read, model.safetensors is mapped and its header
 * checked against what the configuration asks for, and that is all where its weights are fp32: they are used where they
 * lie, a page coming from the disk when it is first looked at. bf16 and fp16 weights are turned to fp32 once. Nothing
 * is packed for products, which gains some 4 % at these sizes and costs as much as a sentence. */
#ifndef MODEL_CLASSIFIER_H
#define MODEL_CLASSIFIER_H

#include "formats/safetensors.h"
#include "hidden/recurrent.h"
#include "hidden/transformer.h"
#include "model/weight_format.h"
#include "model/weights_file.h"
#include "tensor/parameters.h"

typedef enum classifier_family {
    CLASSIFIER_BERT,     /* BertForSequenceClassification */
    CLASSIFIER_VIT,      /* ViTForImageClassification */
    CLASSIFIER_AST,      /* ASTForAudioClassification */
    CLASSIFIER_RECURRENT /* of text; our own, of model_type "attn-rnn" */
} classifier_family;
#define CLASSIFIER_FAMILIES 4

typedef struct classifier_config {
    classifier_family family;
    int64_t label_count;
    char **labels; /* config.json: id2label */

    /* the Transformer */
    int64_t width;  /* hidden_size */
    int64_t layers; /* num_hidden_layers */
    int64_t heads;  /* num_attention_heads */
    int64_t ffn;    /* intermediate_size */
    activation activation;
    float norm_epsilon;
    float dropout, attention_dropout;
    float classifier_dropout; /* before the head; negative: `dropout` */

    /* text */
    int64_t vocab_size, type_vocab_size;
    int64_t max_positions; /* the longest text, in pieces */
    int32_t pad_id;

    /* recurrence: `width` units in both directions together, `layers`, `dropout` */
    recurrent_cell cell;
    int64_t embedding; /* its width */

    /* images, and spectrograms as images of one channel: a row is a mel bin, a column a frame */
    int64_t channels, rows, columns;
    int64_t patch_rows, patch_columns;
    int64_t row_stride, column_stride; /* from one patch to the next */
    bool qkv_bias;                     /* whether queries, keys and values have one */
} classifier_config;

/* How many patches lie below each other and side by side. They are tokens in the order of reading, behind `classes`
 * learned ones: 1 in an image, 2 in a spectrogram. */
typedef struct patch_grid {
    int64_t rows, columns, classes;
} patch_grid;

patch_grid classifier_patch_grid(const classifier_config *c);

/* Frees the labels and zeroes *c. */
void classifier_config_clear(classifier_config *c);

typedef struct classifier {
    classifier_config config;
    parameters parameters;
    safetensors *file;     /* where the weights lie that are not copied; NULL: they all are */
    weights_unused unused; /* of the file it was read from */
    transformer_layer *layers;
    transformer_options options;
    tensor *head_weight, *head_bias; /* (labels, width), (labels) */
    void *parts;                     /* weights that the family has beside them */
} classifier;

/* Declares and allocates all parameters, initialised from `seed` if trainable, else zero. The configuration, labels and
 * all, is copied. */
attn_status classifier_create(classifier **out, const classifier_config *config, bool trainable, uint64_t seed);

/* Reads DIR/config.json and DIR/model.safetensors (fp32, bf16 or fp16). */
attn_status classifier_open(classifier **out, const char *directory, bool trainable);

/* NULL is ignored. */
void classifier_destroy(classifier *m);

/* Writes DIR/config.json and DIR/model.safetensors, each beside and renamed. Tokenizer and preprocessing are not its
 * business. */
attn_status classifier_save(const classifier *m, const char *directory, weight_format format);

/* For training. */
void classifier_set_dropout(classifier *m, float dropout, float attention_dropout);

/* What one batch holds: ids of text, or values of images and audio. */
typedef struct classifier_input {
    int64_t batch;          /* B */
    const int32_t *ids;     /* text: (B, S), with the tokenizer's special pieces, padded with pad_id at the end */
    int64_t length;         /* text: S, at most max_positions */
    const int64_t *lengths; /* text: B, without padding; NULL: all are S */
    const float *values;    /* images (B, channels * rows * columns), audio (B, frames * bins) */
} classifier_input;

/* Logits (B, labels). `sink` takes the encoder's weights in `self` and may be NULL; a recurrent network's, which pools
 * the text by one query, are those of layer 0, (B, 1, 1, S). Fails the tape with
 * ATTN_ERROR_ARGUMENT on a text longer than max_positions or an id outside the vocabulary. On an inferring tape the
 * classifier is only read: any number of threads may share it, each with its tape. */
tensor *classifier_logits(tape *t, const classifier *m, const classifier_input *input,
                          const attention_weights_sink *sink);

#endif
