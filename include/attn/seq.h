/*
 * seq.h - sequence models built on the attention operator: open, run, train, score, look inside.
 *
 * Everything that the command `attn` does, it does through this header. Models are Hugging Face directories.
 *
 * Structs are as large here as in the library: functions that fill one write all of it, and struct_size, where there is
 * one, tells a program that was compiled with another header; it does not let one struct serve two versions, as
 * attn.h's does. No struct grows while the library's soname stays.
 */
#ifndef ATTN_SEQ_H
#define ATTN_SEQ_H

#include "attn/attn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The message of this thread's last failed call into libattnseq; "" before the first. Never NULL. */
ATTN_API const char *attn_seq_error(void);

/* ---- a model ------------------------------------------------------------------------------------------------ */

/* An open model: its weights, and what prepares its input. Nothing in it changes after opening, so any number of
 * threads may use one model at the same time, each through its own calls. */
typedef struct attn_seq_model attn_seq_model;

/* What a model is for. Numbers pinned. */
typedef enum attn_seq_task {
    ATTN_SEQ_TASK_ANY = -1, /* of attn_seq_model_find: whatever it is for */
    ATTN_SEQ_TASK_TRANSLATE = 0,
    ATTN_SEQ_TASK_SUMMARIZE = 1,
    ATTN_SEQ_TASK_CLASSIFY_TEXT = 2,
    ATTN_SEQ_TASK_CLASSIFY_IMAGE = 3,
    ATTN_SEQ_TASK_CLASSIFY_AUDIO = 4
} attn_seq_task;

/* What a model is, in numbers; the strings belong to the model. */
typedef struct attn_seq_description {
    size_t struct_size;        /* set by the caller to sizeof(attn_seq_description) */
    const char *directory;     /* as it was given */
    attn_seq_task task;        /* never ATTN_SEQ_TASK_ANY */
    const char *architecture;  /* as config.json names it: "MarianMTModel" */
    int64_t parameters;        /* weights that are stored, shared ones once */
    int64_t source_vocabulary; /* pieces; 0 where the input is no text */
    int64_t target_vocabulary; /* 0 where nothing is written */
    int64_t width;             /* d_model */
    int64_t encoder_layers, decoder_layers;
    int64_t encoder_heads, decoder_heads;
    int64_t encoder_ffn, decoder_ffn;
    int64_t max_positions;     /* the longest sequence, in pieces with </s> */
    const char *activation;    /* "relu", "gelu", "swish" or "tanh" */
    const char *cell;          /* of a recurrent model: "lstm", "gru" or "rnn"; else NULL */
    const char *attention;     /* of a recurrent translator: "none", "additive", "dot", ...; else NULL */
    int64_t beam;              /* of a decoder, unless told otherwise; else 0 */
    double normalize;          /* likewise */
    int64_t label_count;       /* of a classifier, else 0 */
    const char *const *labels; /* of label_count */
    int64_t unused_weights;    /* tensors of model.safetensors, of a type that weights have, without a place in what
                                * config.json describes: the files may not belong together */
    const char *first_unused;  /* the first one's name, cut to 127 bytes; "" where there is none */
} attn_seq_description;

/* Opens a Hugging Face directory of one of these kinds, as its config.json says: config.json, model.safetensors (fp32,
 * bf16 or fp16) and what prepares the input:
 *
 *   MarianMTModel                    source.spm, target.spm, vocab.json (target_vocab.json too where the vocabularies
 *                                    are separate)
 *   BartForConditionalGeneration     a tokenizer
 *   BertForSequenceClassification    a tokenizer
 *   ViTForImageClassification        preprocessor_config.json
 *   ASTForAudioClassification        preprocessor_config.json
 *   TransformerTranslator            our own, of model_type "attn-transformer": the files of MarianMTModel
 *   RecurrentTranslator              our own, of model_type "attn-rnn": the files of MarianMTModel
 *   RecurrentForSequenceClassification  likewise of "attn-rnn": a tokenizer
 *
 * A tokenizer is tokenizer.json, vocab.txt (WordPiece) or merges.txt and vocab.json (byte-level BPE).
 *
 * Every size is checked before it is used; nothing in the directory is executed.
 *
 *   out        receives the model, NULL on failure; not NULL
 *   directory  path, not NULL; copied
 *
 * Thread safety: may run in several threads at once.
 * Returns ATTN_OK; ATTN_ERROR_ARGUMENT (an argument is NULL); ATTN_ERROR_FILE (a file cannot be read);
 * ATTN_ERROR_FORMAT (a file's contents are not sound: the message names file, field, value and what was expected);
 * ATTN_ERROR_UNSUPPORTED (a sound model of an architecture that this version does not run: the message names it, and
 * those that are run); ATTN_ERROR_MEMORY. */
ATTN_API attn_status attn_seq_model_open(attn_seq_model **out, const char *directory);

/* Frees the model; NULL is ignored. No call may still be using it. */
ATTN_API void attn_seq_model_close(attn_seq_model *model);

/* Fills *description, whose struct_size the caller has set; model and description are not NULL.
 * Thread safety: may run in several threads on one model.
 * Returns ATTN_OK or ATTN_ERROR_ARGUMENT (NULL, or a struct_size of another version). */
ATTN_API attn_status attn_seq_model_describe(const attn_seq_model *model, attn_seq_description *description);

/* ---- what a model reads --------------------------------------------------------------------------------------- */

/* A line of text: UTF-8 without NUL bytes, not necessarily ended by one. */
typedef struct attn_seq_text {
    const char *bytes; /* not NULL unless length is 0 */
    size_t length;
} attn_seq_text;

/* A picture: a byte for each channel of each pixel, 0 dark. */
typedef struct attn_seq_image {
    int64_t width, height;
    int64_t channels;      /* 1: grey; 3: red, green, blue */
    const uint8_t *pixels; /* (height, width, channels), the top row first */
} attn_seq_image;

/* A recording, mono. */
typedef struct attn_seq_audio {
    int64_t rate;         /* samples a second */
    int64_t count;        /* samples */
    const float *samples; /* -1 to 1 */
} attn_seq_audio;

typedef enum attn_seq_input_kind {
    ATTN_SEQ_INPUT_TEXT = 0,
    ATTN_SEQ_INPUT_IMAGE = 1,
    ATTN_SEQ_INPUT_AUDIO = 2
} attn_seq_input_kind;

/* One input; only what its kind names is read. */
typedef struct attn_seq_input {
    attn_seq_input_kind kind;
    attn_seq_text text;
    attn_seq_image image;
    attn_seq_audio audio;
} attn_seq_input;

/* What a file holds, by its first bytes, unpacked where they are gzip's: PNG, JPEG and IDX are images, WAV is audio,
 * anything else text. No argument is NULL.
 * Returns ATTN_OK; ATTN_ERROR_ARGUMENT; ATTN_ERROR_FILE. */
ATTN_API attn_status attn_seq_file_kind(const char *path, attn_seq_input_kind *kind);

/* The same of bytes that begin a file and are not packed, of which 12 are enough: for what has no name, as a pipe.
 * bytes: NULL only if count is 0, which is text. */
ATTN_API attn_seq_input_kind attn_seq_bytes_kind(const void *bytes, size_t count);

/* Reads a file of images or sound: PNG and JPEG hold one image, IDX (plain or gzip) any number, WAV one recording,
 * whose channels are averaged. Every size is checked before it is used. *inputs receives an array of *count, to be
 * freed by attn_seq_inputs_free; NULL and 0 on failure.
 *
 * Thread safety: may run in several threads at once.
 * Returns ATTN_OK; ATTN_ERROR_ARGUMENT (NULL); ATTN_ERROR_FILE; ATTN_ERROR_FORMAT (damaged, or none of these);
 * ATTN_ERROR_UNSUPPORTED; ATTN_ERROR_MEMORY. */
ATTN_API attn_status attn_seq_inputs_read(const char *path, attn_seq_input **inputs, int64_t *count);

/* NULL is ignored. */
ATTN_API void attn_seq_inputs_free(attn_seq_input *inputs);

/* ---- training --------------------------------------------------------------------------------------------- */

/* How to begin in a directory. */
typedef enum attn_seq_train_start {
    ATTN_SEQ_TRAIN_NEW = 0,    /* anew; refused where the directory holds a model or a checkpoint */
    ATTN_SEQ_TRAIN_RESUME = 1, /* go on from the directory's checkpoint */
    ATTN_SEQ_TRAIN_REPLACE = 2 /* anew: what the directory holds is lost once there is something to learn from */
} attn_seq_train_start;

typedef enum attn_seq_weights {
    ATTN_SEQ_WEIGHTS_FP32 = 0,
    ATTN_SEQ_WEIGHTS_BF16 = 1, /* half the size; rounded to nearest even */
    ATTN_SEQ_WEIGHTS_INT8 = 2  /* a quarter; of recurrent models, whose matrices are bytes with a scale for each row */
} attn_seq_weights;

typedef enum attn_seq_train_event {
    ATTN_SEQ_TRAIN_NOTICE = 0,    /* `message` tells something once: what was read, left out, made */
    ATTN_SEQ_TRAIN_STEP = 1,      /* after every step */
    ATTN_SEQ_TRAIN_VALIDATED = 2, /* valid_loss, valid_scores and best are new */
    ATTN_SEQ_TRAIN_SAVED = 3      /* a checkpoint is on the disk */
} attn_seq_train_event;

/* A score of a validation: "BLEU", "accuracy"; 0 to 100, the more the better. */
typedef struct attn_seq_train_score {
    const char *name; /* a constant */
    double value;     /* NaN before the first validation */
} attn_seq_train_score;

#define ATTN_SEQ_TRAIN_SCORES 4

/* Where a training run stands. */
typedef struct attn_seq_train_progress {
    attn_seq_train_event event;
    const char *message;     /* with NOTICE, otherwise NULL */
    int64_t step, steps;     /* done, and in all; steps 0 where the clock decides */
    double epoch;            /* passes over the training data, with its fraction */
    double loss;             /* training loss, nats per target token or example, smoothed over about 100 steps */
    double rate;             /* of learning, in the last step */
    const char *unit;        /* what the speed counts: "tokens", of source and target without padding; "images" */
    double units_per_second; /* over about 100 steps */
    double seconds;          /* of work, over all runs that were resumed; pauses are not counted */
    double remaining;        /* seconds, estimated */
    double valid_loss;       /* as `loss`, without label smoothing; NaN before the first validation */
    int valid_score_count;
    attn_seq_train_score valid_scores[ATTN_SEQ_TRAIN_SCORES]; /* the first is the one that matters */
    bool best; /* with VALIDATED: better than all before, and saved as the model */
} attn_seq_train_progress;

/* What the factors of the linear layers' and attention's products are rounded to, and with it what only such products
 * take: queries, keys, values, what heads attended to, activations, and the gradients of all these. Sums, softmax,
 * weights, their gradients, optimizer and everything else are fp32 either way. Attention of normalized heads stays
 * fp32. BF16 needs a CPU with AVX512_BF16 or AMX, and is 1.6 to 1.8 times as fast there. Numbers pinned. */
typedef enum attn_seq_compute { ATTN_SEQ_COMPUTE_FP32 = 0, ATTN_SEQ_COMPUTE_BF16 = 1 } attn_seq_compute;

/* What to train. Numbers pinned. */
typedef enum attn_seq_arch {
    ATTN_SEQ_ARCH_TRANSFORMER = 0,
    ATTN_SEQ_ARCH_LSTM = 1, /* Hochreiter and Schmidhuber 1997 */
    ATTN_SEQ_ARCH_GRU = 2,  /* Cho et al. 2014 */
    ATTN_SEQ_ARCH_RNN = 3   /* Elman 1990 */
} attn_seq_arch;

/* How a recurrent decoder scores the encoder's states. Numbers pinned. */
typedef enum attn_seq_attend {
    ATTN_SEQ_ATTEND_NONE = 0,     /* it has the encoder's last state alone (Sutskever et al. 2014) */
    ATTN_SEQ_ATTEND_ADDITIVE = 1, /* Bahdanau et al. 2015 */
    ATTN_SEQ_ATTEND_DOT = 2,      /* this and the next two: Luong et al. 2015 */
    ATTN_SEQ_ATTEND_GENERAL = 3,
    ATTN_SEQ_ATTEND_CONCAT = 4
} attn_seq_attend;

/* The learning rate after its warm-up, before the cooling at the end. Numbers pinned. */
typedef enum attn_seq_schedule {
    ATTN_SEQ_SCHEDULE_ROOT = 0, /* falls as 1 / sqrt(step) */
    ATTN_SEQ_SCHEDULE_FLAT = 1  /* stays at its peak */
} attn_seq_schedule;

/* What to train on, what to train, and for how long. The defaults that stand here are the translator's; where another
 * kind of model has others, its function says so. A number below zero (NaN for none of them) and a NULL mean "not
 * said": the default that stands here, or, on resuming, what the run was begun with. Those marked * cannot change on
 * resuming: saying another value then is an error. */
typedef struct attn_seq_train_options {
    size_t struct_size; /* set by attn_seq_train_options_init */

    const char *model;        /* directory that receives the model; made if absent; not NULL */
    const char *train;        /* pairs: source TAB target, plain or gzip; or the source lines alone; or examples */
    const char *train_target; /* target lines, one for each line of `train`, NULL: `train` holds pairs; labels */
    const char *valid;        /* pairs or examples for validation; NULL: none, and so no early stopping */
    const char *valid_target;
    const char *from; /* * directory of a model to begin with, other than `model`; NULL: weights are drawn */

    int64_t arch;            /* * an attn_seq_arch: Transformer. Recurrent ones translate, and classify texts */
    int64_t attention;       /* * of recurrent ones, an attn_seq_attend: general */
    int64_t feeding;         /* * of dot, general and concat, 1: what was attended to enters the next step: 0 */
    int64_t embedding;       /* * of recurrent ones, width of the embedding, 0: `width`: 0 */
    int64_t vocabulary;      /* * pieces, shared by both languages: 8000 */
    int64_t width;           /* * d_model; of recurrent ones, units of a layer: 256 */
    int64_t heads;           /* * of a Transformer: 8; divides width */
    int64_t key_value_heads; /* * of a Transformer that translates, 0: as many as heads; divides heads: 0. This one and
                              * the two below make a model_type of our own, which transformers does not open */
    int64_t qk_norm;         /* * 1: queries and keys are normalized head by head: 0 */
    double softcap;          /* * scores are capped to this size by a hyperbolic tangent, 0: not: 0 */
    int64_t layers;          /* * of the encoder, and as many of the decoder: 3; of recurrent ones 1 */
    int64_t ffn;             /* * of a Transformer, width of the feed-forward layers: 1024 */
    int64_t longest; /* * pieces; pairs with a longer side are left out: 256. A summarizer's texts are cut: 128 */
    int64_t denoise; /* * first steps of a summarizer, in which it learns to restore damaged text: 0 */
    int64_t seed;    /* * 1 */

    int64_t batch_tokens;     /* * source and target tokens of a batch, with padding: 4000 */
    int64_t batch;            /* * examples of a batch, for classifiers */
    double dropout;           /* * of layers' outputs: 0.1; of recurrent ones 0.2 */
    double attention_dropout; /* * of attention's weights: 0 */
    double label_smoothing;   /* * 0.1 */
    double rate;              /* * peak learning rate: 0.001 */
    int64_t warmup;           /* * steps until the peak: 1000 */
    int64_t schedule;         /* * an attn_seq_schedule: root */
    double cooldown;          /* * last fraction of the run, over which the rate falls to zero linearly: 0.3 */
    double clip;              /* * largest norm of the gradient, 0 for any: 1 */
    double weight_decay;      /* * each step takes rate * this of a weight away (AdamW): 0 */
    double augment;           /* * strength of what classifiers do to training examples, 0: nothing, 1: the usual */
    int64_t compute;          /* * type of the products, an attn_seq_compute: fp32 */
    double average;           /* * decay of the moving average of the weights, which is what is saved: 0.999; 0: none */

    /* The first of these three limits that is reached ends the run; saying one, on resuming too, lifts the others. */
    int64_t epochs; /* 10; 0: any */
    int64_t steps;  /* 0: any */
    double minutes; /* of work; 0: any. The clock then sets the cooling: such runs do not repeat to the bit */

    /* For classifiers. */
    int64_t task;       /* * an attn_seq_task: ATTN_SEQ_TASK_CLASSIFY_..; found from the data */
    int64_t folds;      /* * without `valid` one example in so many is held out to validate, 0: none: 10 */
    int64_t fold;       /* * which: those at fold, fold + folds, ..: 0 */
    int64_t image_size; /* * pixels a side that images are scaled to, 0: what suits the data */
    int64_t patch; /* * pixels a side (of audio: bins and frames) that become one position, 0: what suits the data */

    int64_t valid_every; /* steps, 0 for one epoch: 1000 */
    int64_t patience;    /* validations without a better one that end the run, 0 for any: 10 */
    int64_t threads;     /* 0: attn_seq_threads() */
    int64_t format;      /* of the saved weights, an attn_seq_weights: fp32. Another one than before, on resuming: the
                          * model that the directory holds is written again in it, rounded as it was */

    attn_seq_train_start start;

    /* May be NULL. Called on the calling thread; *progress lives as long as the call. */
    void (*progress)(void *argument, const attn_seq_train_progress *progress);
    /* May be NULL. Asked after every step; true ends the run after a checkpoint. */
    bool (*stop)(void *argument);
    void *argument;
} attn_seq_train_options;

/* Everything "not said", start new, no functions. options not NULL. */
ATTN_API void attn_seq_train_options_init(attn_seq_train_options *options);

/* Trains a Transformer encoder-decoder (Vaswani et al. 2017; Marian's variant of it) or, as `arch` says, a recurrent
 * one to turn source lines into target lines and leaves it in options->model as a Hugging Face directory that
 * attn_seq_model_open opens, and transformers.MarianMTModel too where it is a Transformer without `key_value_heads`,
 * `qk_norm` and `softcap`.
 *
 * Loss: label-smoothed cross-entropy, mean over a batch's target tokens. Optimizer: Adam, beta 0.9 and 0.98, with the
 * rate of `rate`, `warmup` and `cooldown`. The SentencePiece model is trained first, on both sides together. The
 * weights that are saved are those of the best validation (BLEU of greedy translations, several targets of one source
 * being references of the same segment; while it is 0, and where no target has the four words that it takes, the loss),
 * or the last ones where there is none.
 *
 * The directory's files are each replaced in one step: source.spm, target.spm, vocab.json, tokenizer_config.json at the
 * beginning; config.json, generation_config.json, model.safetensors whenever they are better; checkpoint.safetensors
 * before the first step, after every validation, every five minutes and at the end. A kill at any instant, or a full
 * disk, costs the steps since the last checkpoint and nothing else. A resumed run gives the bits of an unbroken one, on
 * the same CPU and number of threads.
 *
 * With `from` the run fine-tunes a model that was trained before, here or by transformers: weights, tokenizer, arch and
 * sizes are that directory's, and saying a size that is another is refused. `longest` is at most its positions;
 * dropouts that are not said are its own; `rate` is by default 5e-5, `warmup` 20 and `schedule` flat. config.json and
 * model.safetensors then stand in options->model from the beginning, and the run is resumed without that directory.
 * Where there is validation data the model is validated before the first step too (VALIDATED with step 0); when no
 * later validation is better it stays what is saved, and a notice says so at the end.
 *
 * Memory: about 24 bytes for each parameter, and the activations of one batch.
 * Thread safety: one run for each directory at a time.
 * Returns ATTN_OK; ATTN_ERROR_ARGUMENT (a value out of range, or said of a network that has no such thing; a directory
 * that holds a model, on a new start; a setting that differs, or other training pairs, on resuming); ATTN_ERROR_FILE,
 * ATTN_ERROR_FORMAT (the message names file and line, or field); ATTN_ERROR_UNSUPPORTED (compute that this CPU lacks);
 * ATTN_ERROR_INTERRUPTED (options->stop asked; the checkpoint is on the disk); ATTN_ERROR_MEMORY. */
ATTN_API attn_status attn_seq_train_translator(const attn_seq_train_options *options);

/* The same for summaries: trains a BART (Lewis et al. 2020), which transformers.BartForConditionalGeneration opens, on
 * texts and their summaries. Texts are cut to their first `longest` pieces; the best validation is that of the highest
 * ROUGE-L of greedy summaries, while that is 0 of the least loss. In the first `denoise` steps the model learns from
 * the texts alone, to restore spans that were masked, as BART is trained before it learns a task: it is then quicker to
 * find in a text what it writes. */
ATTN_API attn_status attn_seq_train_summarizer(const attn_seq_train_options *options);

/* Trains a classifier of texts, images or recordings, from labelled examples, and leaves it in options->model as a
 * Hugging Face directory that attn_seq_model_open and transformers open: BertForSequenceClassification,
 * ViTForImageClassification or ASTForAudioClassification; or, of texts where `arch` is recurrent, as
 * RecurrentForSequenceClassification, which only attn_seq_model_open opens.
 *
 * `train` names one of these; which, is found from it unless `task` says it:
 *
 *   a text file, plain or gzip     LABEL TAB TEXT on every line
 *   a list, plain or gzip          LABEL TAB PATH on every line, of .wav or of .png, .jpg, .jpeg files; a relative path
 *                                  starts at the list's folder
 *   a folder                       FOLDER/LABEL/FILE, of one of those kinds
 *   an IDX file, plain or gzip     images (MNIST's format); its labels in `train_target`, or in the file of the same
 *                                  name with "labels" for "images" and "idx1" for "idx3"
 *
 * A setting that means nothing there must not be said: `image_size` and `patch` of texts, `vocabulary` and `longest` of
 * images and recordings, `heads`, `ffn` and `attention_dropout` of a recurrent network, `train_target` without an IDX
 * file.
 *
 * `valid` names likewise examples of the same labels. Without it `folds` and `fold` hold a part of the examples out.
 *
 * Loss: label-smoothed cross-entropy, mean over a batch's examples. The best weights are those of the highest accuracy
 * on the validation examples, of equal ones those of the lower loss; the last ones where there are none. Training
 * examples are augmented as `augment` says: of texts a tenth of the pieces become unknown; images are shifted, turned,
 * scaled, slanted and bent; recordings change their speed, beginning and level, get noise, and lose a run of frames and
 * of frequencies.
 *
 * Defaults that are not the translator's, for texts, texts where `arch` is recurrent, images and recordings:
 *
 *                      texts   recurrent  images  recordings
 *   width              64      64         64      64
 *   heads              4       1          4       4
 *   layers             2       1          6       4
 *   ffn                256     -          192     192
 *   batch              32      32         64      32
 *   dropout            0.3     0.5        0       0.1
 *   attention_dropout  0.1     0          0       0
 *   rate               0.0015  0.002      0.002   0.002
 *   warmup             200     200        300     200
 *   schedule           flat    flat       flat    flat
 *   cooldown           0.7     0.7        0.8     0.8
 *   weight_decay       0.3     0.3        0.05    0.05
 *   augment            3       2          1       1
 *   average            0.99    0.99       0.998   0.998
 *   epochs             5       6          30      40
 *   valid_every        0       0          0       0
 *
 * With `from` the directory holds such a model, or a BERT, ViT or AST with another head or none, as transformers saves
 * BertModel, BertForMaskedLM or ViTModel; images and recordings are prepared as its preprocessor_config.json says. The
 * head stays where the examples have the same labels, in whichever order, and is else drawn anew, as is what the file
 * lacks of it; a notice names these weights. Defaults are then rate 5e-5, warmup 20, weight_decay 0.01
 * and, of texts, augment 0.
 *
 * Files, kills, resuming, thread safety and statuses are as attn_seq_train_translator has them; instead of its
 * tokenizer's files there are tokenizer.json and tokenizer_config.json, or preprocessor_config.json. */
ATTN_API attn_status attn_seq_train_classifier(const attn_seq_train_options *options);

/* ---- looking inside ---------------------------------------------------------------------------------------- */

/* One matrix to be drawn: rows top down, columns left to right, each cell coloured by where its value stands between
 * low and high. Values outside are drawn as the nearer end, NaN as grey. Labels are UTF-8; what is no valid UTF-8 is
 * shown as U+FFFD, and control characters as a space. */
typedef struct attn_seq_heat_map {
    size_t struct_size;               /* set by attn_seq_heat_map_init */
    int64_t rows, columns;            /* each 1 to 65536 */
    const float *values;              /* (rows, columns), not NULL */
    const char *const *row_labels;    /* of rows, or NULL: numbers */
    const char *const *column_labels; /* of columns, or NULL: numbers */
    const char *title;                /* NULL: none */
    const char *row_axis;             /* what the rows are, "translation"; NULL: not said */
    const char *column_axis;
    float low, high; /* finite, low < high; 0 and 1 after init */
} attn_seq_heat_map;

ATTN_API void attn_seq_heat_map_init(attn_seq_heat_map *map);

/* Draws the map into a PNG file, which replaces `path` only when it is whole. Cells are at most 40 pixels wide; a
 * matrix of more than 2048 rows or columns is averaged down to that, and labels are left out where they could not be
 * read, so that no picture is larger than 2600 x 2600 pixels. Text is set by Pango: any script that an installed font
 * covers.
 *
 * Thread safety: may run in several threads at once.
 * Returns ATTN_OK; ATTN_ERROR_ARGUMENT (NULL, a size or a scale outside the above); ATTN_ERROR_FILE; ATTN_ERROR_MEMORY.
 */
ATTN_API attn_status attn_seq_heat_map_write_png(const attn_seq_heat_map *map, const char *path);

typedef enum attn_seq_colours {
    ATTN_SEQ_COLOURS_NONE = 0, /* no escape sequence at all: percentages of the scale */
    ATTN_SEQ_COLOURS_256 = 1,
    ATTN_SEQ_COLOURS_TRUE = 2 /* 24 bits */
} attn_seq_colours;

/* Draws the map as lines of UTF-8 text for a terminal that is `width` (20 to 10000) characters wide; columns that do
 * not fit follow below in further bands. *text receives the lines, each ended by a line feed, to be freed by
 * attn_seq_free; NULL on failure.
 *
 * Thread safety: may run in several threads at once.
 * Returns ATTN_OK; ATTN_ERROR_ARGUMENT; ATTN_ERROR_MEMORY. */
ATTN_API attn_status attn_seq_heat_map_draw(const attn_seq_heat_map *map, attn_seq_colours colours, int64_t width,
                                            char **text);

typedef enum attn_seq_attention_kind {
    ATTN_SEQ_ATTENTION_CROSS = 0,   /* what is written attends to the source: rows target, columns source */
    ATTN_SEQ_ATTENTION_ENCODER = 1, /* the source attends to itself */
    ATTN_SEQ_ATTENTION_DECODER = 2, /* what is written attends to what was written of it so far */
    ATTN_SEQ_ATTENTION_POOLING = 3  /* the label attends to the source: one row */
} attn_seq_attention_kind;

/* Where the positions of a sequence lie in a picture. The first `leading` positions lie nowhere ([CLS]); the others are
 * patches, row by row: patch (r, c) covers `width` x `height` pixels from x = c * step_x, y = r * step_y on. */
typedef struct attn_seq_patches {
    attn_seq_image picture; /* as the model saw it; of audio its spectrogram: time runs right, frequency down */
    int64_t leading;
    int64_t rows, columns;
    int64_t width, height; /* of a patch, in pixels of the picture */
    int64_t step_x, step_y;
    bool upward; /* to be shown upside down, as spectrograms are: low frequencies below */
} attn_seq_patches;

/* One kind's weights in every layer and head. */
typedef struct attn_seq_attention {
    attn_seq_attention_kind kind;
    int64_t layers, heads;            /* at least 1 */
    int64_t rows, columns;            /* queries and keys, at least 1 */
    const float *weights;             /* (layers, heads, rows, columns), each 0 to 1 */
    const char *const *row_labels;    /* pieces, UTF-8, not NULL */
    const char *const *column_labels; /* pieces, UTF-8, not NULL */
    const attn_seq_patches *patches;  /* where the columns, and the rows where there are as many, lie; NULL: text */
} attn_seq_attention;

/* mean(rows, columns) = the mean of the weights over the layers and heads that are asked for; layer -1 asks for all
 * layers, head -1 for all heads. mean must not overlap the weights. The sum runs in fp64, layer by layer, head by head.
 *
 * Returns ATTN_OK; ATTN_ERROR_ARGUMENT (no such layer or head). */
ATTN_API attn_status attn_seq_attention_mean(const attn_seq_attention *attention, int64_t layer, int64_t head,
                                             float *mean);

/* roll(rows, columns) = A_l ... A_2 A_1, with A_i = (mean of layer i's heads + I) / 2, its rows made to sum to 1: how
 * much of each input position reaches each position after layer l, through all layers and the connections around them.
 * The attention is one that attends to itself (rows = columns). layer: the last one that counts, -1 for the model's
 * last. The sums run in fp32.
 *
 * Returns ATTN_OK; ATTN_ERROR_ARGUMENT (no such layer, rows other than columns); ATTN_ERROR_MEMORY. Source: Abnar and
 * Zuidema, "Quantifying Attention Flow in Transformers" (2020), equation 1. */
ATTN_API attn_status attn_seq_attention_rollout(const attn_seq_attention *attention, int64_t layer, float *roll);

/* What one input attended to. */
typedef struct attn_seq_attended {
    attn_seq_task task;                  /* what was done, never ATTN_SEQ_TASK_ANY */
    const char *source, *target;         /* whole, as text, UTF-8: the input (or its path), and what came out */
    const attn_seq_attention *attention; /* kinds that are there, in the order in which the page offers them */
    size_t attention_count;              /* at least 1 */
} attn_seq_attended;

/* Writes one HTML file that needs nothing else: a chooser of input (where there are several), kind, layer and head,
 * each with its mean, and the roll-out; the map of what is chosen, with both sequences as axes; the words, or the
 * picture with its patches, where pointing at one shades what it attends to; all heads side by side. Works offline, by
 * keyboard, on light and dark screens. Weights are kept to 1/65535; of more than 2^22 weights in all, the largest of
 * each row, and the page says which share of the whole they hold. The file replaces `path` only when it is whole.
 *
 * Thread safety: may run in several threads at once.
 * Returns ATTN_OK; ATTN_ERROR_ARGUMENT (NULL, a size below 1, or more than a browser would show: over 2^28 weights, or
 * so many rows that not 16 of each could be kept); ATTN_ERROR_FILE; ATTN_ERROR_MEMORY. */
ATTN_API attn_status attn_seq_attention_write_html(const attn_seq_attended *inputs, size_t count, const char *path);

/* Writes one JSON array, an object for each input: {"task", "source", "target", "attention": [{"kind": "cross",
 * "encoder", "decoder" or "pooling", "rows": labels, "columns": labels, "weights": [layer][head][row][column],
 * "patches": null or {"leading", "rows", "columns", "width", "height", "step_x", "step_y"}}]}. Numbers keep all digits
 * of fp32; one that is not finite becomes null. The file replaces `path` only when it is whole.
 *
 * Thread safety: may run in several threads at once.
 * Returns ATTN_OK; ATTN_ERROR_ARGUMENT; ATTN_ERROR_FILE; ATTN_ERROR_MEMORY. */
ATTN_API attn_status attn_seq_attention_write_json(const attn_seq_attended *inputs, size_t count, const char *path);

/* Draws a picture, and beside it the same under values (patches->rows, patches->columns), the largest in full colour,
 * into a PNG file, which replaces `path` only when it is whole; below one that is shown upside down stands which way
 * time and frequency run. title may be NULL.
 *
 * Thread safety: may run in several threads at once.
 * Returns ATTN_OK; ATTN_ERROR_ARGUMENT (NULL; a size below 1, or patches outside the picture); ATTN_ERROR_FILE;
 * ATTN_ERROR_MEMORY. */
ATTN_API attn_status attn_seq_patches_write_png(const attn_seq_patches *patches, const float *values, const char *title,
                                                const char *path);

/* A label as a table of words and numbers has it: on one line and in at most `most` cells of a terminal (1 to 65536),
 * of which wide characters take two and combining ones none; where that is not all, it ends with an ellipsis. Bytes
 * that are no UTF-8 become U+FFFD, control characters and directional overrides a space; the locale plays no part. NULL
 * gives an empty text. *text is to be freed by attn_seq_free, NULL on failure; *cells receives what it takes.
 *
 * Thread safety: may run in several threads at once.
 * Returns ATTN_OK; ATTN_ERROR_ARGUMENT (text or cells NULL, most out of range); ATTN_ERROR_MEMORY. */
ATTN_API attn_status attn_seq_label_fit(const char *label, int64_t most, char **text, int64_t *cells);

/* Frees what a function of this library gave to its caller; NULL is ignored. */
ATTN_API void attn_seq_free(void *memory);

/* ---- translating ------------------------------------------------------------------------------------------ */

typedef struct attn_seq_translate_options {
    size_t struct_size; /* set by attn_seq_translate_options_init */
    int64_t beam;       /* 1 to 256 hypotheses kept at each step; 1 is greedy; 0, as after init: the model's own, which
                           generation_config.json says (num_beams), else 5 */
    int64_t n_best;     /* 1 to beam hypotheses given for each line; 1 after init */
    double normalize;   /* A in score = log_probability / length^A; finite; NaN, as after init: the model's own
                           (length_penalty), else 1, which of 0, 0.6, 1, 1.5 and 2 gave the best BLEU on Tatoeba's
                           English and French */
    int threads;        /* 0 to 1024; 0 after init: attn_seq_threads() */
    bool alignment;     /* fill attn_seq_hypothesis.alignment */
    bool attention;     /* fill attn_seq_hypothesis.attention */
} attn_seq_translate_options;

ATTN_API void attn_seq_translate_options_init(attn_seq_translate_options *options);

/* One translation of a line. A line longer than the model was trained on is split at sentence ends, each part is
 * translated by itself, and the parts' results are joined: lengths and log-probabilities add up, and nothing is
 * attended to across parts. */
typedef struct attn_seq_hypothesis {
    const char *text;       /* UTF-8, ends in NUL, holds no line feed */
    double log_probability; /* natural, summed over the target's pieces and </s> */
    double score;           /* log_probability / target_length^normalize */
    int64_t source_length;  /* pieces, with every part's </s> */
    int64_t target_length;  /* the same; a part that met the length limit may have no </s> */
    int64_t source_words;   /* as white space separates them */
    int64_t target_words;
    /* (target_words, source_words) if asked for, else NULL: how much of its attention each target word paid to each
     * source word. The cross attention of the last decoder layer but one (the only one, where there is only one),
     * averaged over its heads and over the target word's pieces, summed over the source word's pieces; a row's rest
     * went to </s>. (The last layer but one aligns best: Garg et al., "Jointly Learning to Align and Translate", 2019,
     * section 4.1.) */
    const float *alignment;
    /* The kinds that the model has, of cross, encoder, decoder, if asked for, else NULL: each in every layer and head,
     * from an uncached pass over the source and this hypothesis. Row i of the target's is what was seen when piece i
     * was chosen. */
    const attn_seq_attention *attention;
    size_t attention_count; /* 0 where attention is NULL */
} attn_seq_hypothesis;

typedef struct attn_seq_translation {
    attn_status status;  /* of this line: ATTN_OK; ATTN_ERROR_FORMAT (invalid UTF-8, a NUL byte, bytes that are NULL);
                            ATTN_ERROR_UNSUPPORTED (more than 2^27 attention weights were asked for: translated, but
                            `attention` is NULL where so) */
    const char *message; /* "" or what is wrong with the line */
    int64_t count;       /* hypotheses: 1 to n_best, 0 if status is ATTN_ERROR_FORMAT */
    const attn_seq_hypothesis *hypotheses; /* best first */
    bool cut; /* longer than the model's positions: translated in parts; of a text to be summed up, its beginning alone
                 was read */
} attn_seq_translation;

/* Translates `count` lines: translations[i] is line i's. A line of white space alone gives one empty hypothesis. Lines
 * are batched by length inside; what a line gets does not depend on its neighbours, but for the last bits of the
 * scores. A target ends after at most 3 * source pieces + 10 pieces, at the model's last position, or where
 * generation_config.json's max_length says; its forced_bos_token_id, min_length and no_repeat_ngram_size are kept to,
 * and its forced_eos_token_id at the last two of these limits. The search ends as its early_stopping says, as in
 * transformers: true, which models trained here say, when as many hypotheses have ended as the beam is wide; false, or
 * nothing said, when besides none that goes on is better, at the length that it has; "never", when none can become so.
 *
 *   model         open, not NULL
 *   options       not NULL, set up by attn_seq_translate_options_init
 *   lines         of count; NULL only if count is 0
 *   translations  receives an array of count, to be freed by attn_seq_translations_free; NULL on failure or if
 *                 count is 0
 *
 * Thread safety: may run in several threads on one model.
 * Returns ATTN_OK, whatever single lines met; ATTN_ERROR_ARGUMENT; ATTN_ERROR_UNSUPPORTED (the model is for another
 * task); ATTN_ERROR_FORMAT (the model's logits are not finite); ATTN_ERROR_MEMORY. Source: beam search with length
 * normalization as in Wu et al., "Google's Neural Machine Translation System" (2016), section 7, with the divisor of
 * Marian's --normalize. */
ATTN_API attn_status attn_seq_translate(const attn_seq_model *model, const attn_seq_translate_options *options,
                                        const attn_seq_text *lines, int64_t count, attn_seq_translation **translations);

/* The same for a summarizer, which reads a text's beginning, as much as it has positions for, and writes one summary.
 * Source of the model: Lewis et al., "BART" (2020). */
ATTN_API attn_status attn_seq_summarize(const attn_seq_model *model, const attn_seq_translate_options *options,
                                        const attn_seq_text *lines, int64_t count, attn_seq_translation **summaries);

/* NULL is ignored. */
ATTN_API void attn_seq_translations_free(attn_seq_translation *translations, int64_t count);

/* ---- classifying ------------------------------------------------------------------------------------------ */

typedef struct attn_seq_classify_options {
    size_t struct_size; /* set by attn_seq_classify_options_init */
    int threads;        /* 0 to 1024; 0 after init: attn_seq_threads() */
    bool attention;     /* fill attn_seq_classification.attention */
} attn_seq_classify_options;

ATTN_API void attn_seq_classify_options_init(attn_seq_classify_options *options);

typedef struct attn_seq_classification {
    attn_status status;  /* of this input: ATTN_OK; ATTN_ERROR_FORMAT (a text as above, a size or a rate that the model
                            cannot take); ATTN_ERROR_UNSUPPORTED (more than 2^27 attention weights were asked for:
                            classified, but `attention` is NULL) */
    const char *message; /* "" or what is wrong with the input */
    int64_t label;       /* the most probable, of attn_seq_description.labels; -1: none, where the status is
                            ATTN_ERROR_FORMAT or the text is white space alone */
    const float *probabilities;          /* (label_count), the softmax of the logits; NULL where label is -1 */
    bool cut;                            /* longer than the model's positions: its beginning alone was read */
    const attn_seq_attention *attention; /* the kinds that the model has, if asked for, else NULL */
    size_t attention_count;              /* 0 where attention is NULL */
} attn_seq_classification;

/* Classifies `count` inputs, all of the model's kind: classifications[i] is input i's. Inputs are batched by length
 * inside; what an input gets does not depend on its neighbours, but for the last bits of the probabilities. Images and
 * sound are prepared as the model's preprocessor_config.json says: resized, normalized, turned into a spectrogram.
 *
 *   model            open, a classifier, not NULL
 *   options          not NULL, set up by attn_seq_classify_options_init
 *   inputs           of count; NULL only if count is 0
 *   classifications  receives an array of count, to be freed by attn_seq_classifications_free; NULL on failure or if
 *                    count is 0
 *
 * Thread safety: may run in several threads on one model.
 * Returns ATTN_OK, whatever single inputs met; ATTN_ERROR_ARGUMENT (an input of another kind among them);
 * ATTN_ERROR_UNSUPPORTED (the model is for another task); ATTN_ERROR_FORMAT (the model's logits are not finite);
 * ATTN_ERROR_MEMORY. */
ATTN_API attn_status attn_seq_classify(const attn_seq_model *model, const attn_seq_classify_options *options,
                                       const attn_seq_input *inputs, int64_t count,
                                       attn_seq_classification **classifications);

/* NULL is ignored. */
ATTN_API void attn_seq_classifications_free(attn_seq_classification *classifications, int64_t count);

/* How good a classifier is on labelled examples. */
typedef struct attn_seq_evaluation {
    size_t struct_size;  /* set by the caller to sizeof(attn_seq_evaluation) */
    int64_t count;       /* examples */
    int64_t label_count; /* the model's */
    int64_t *confusion;  /* (label_count, label_count): examples by label expected and label found */
    double accuracy;     /* 0 to 100: the share of right answers */
    double macro_f1;     /* 0 to 100: the mean over the labels, each counting the same, of 2 TP / (2 TP + FP + FN);
                            without those that are neither expected nor found */
    double loss;         /* mean of -log p of the expected label, in nats */
} attn_seq_evaluation;

/* Classifies the labelled examples that `path` names, in any form that attn_seq_train_classifier learns from, and
 * counts what comes out right. Labels are compared by name.
 *
 *   model        open, a classifier, not NULL
 *   path         not NULL
 *   labels_path  of an IDX file's labels, NULL: beside it; NULL for anything else
 *   threads      0 to 1024; 0: attn_seq_threads()
 *   evaluation   receives the counts, to be cleared by attn_seq_evaluation_clear; nothing in it on failure
 *
 * Thread safety: may run in several threads on one model.
 * Returns ATTN_OK; ATTN_ERROR_ARGUMENT; ATTN_ERROR_UNSUPPORTED (the model is for another task); ATTN_ERROR_FILE;
 * ATTN_ERROR_FORMAT (also: a label that the model does not have, a line that is not UTF-8); ATTN_ERROR_MEMORY. */
ATTN_API attn_status attn_seq_classifier_evaluate(const attn_seq_model *model, const char *path,
                                                  const char *labels_path, int threads,
                                                  attn_seq_evaluation *evaluation);

/* Frees the counts; NULL is ignored. */
ATTN_API void attn_seq_evaluation_clear(attn_seq_evaluation *evaluation);

/* The models that are found on this machine, as a list of directories that ends with NULL: those in each directory that
 * ATTN_MODELS names (separated by colons), then those in share/attn/models beside this library; by name within
 * each, and a directory that is met again is passed over. *directories is to be freed by attn_seq_free, in one piece;
 * NULL on failure. Returns ATTN_OK (the list may be empty) or ATTN_ERROR_MEMORY. */
ATTN_API attn_status attn_seq_models_list(char ***directories);

/* What the model in a directory is for, from its config.json alone; no argument is NULL.
 * Returns as attn_seq_model_open. */
ATTN_API attn_status attn_seq_model_task(const char *directory, attn_seq_task *task);

/* The directory of the model that `name` means: a path that holds a config.json, else the first model of that name in
 * attn_seq_models_list; of NULL, the first model there that is for `task`. *directory is to be freed by attn_seq_free;
 * NULL on failure.
 * Returns ATTN_OK, ATTN_ERROR_ARGUMENT (directory is NULL), ATTN_ERROR_FILE (there is none; the message says where it
 * was looked for), ATTN_ERROR_UNSUPPORTED (a named model is for something else, which the message says, or of an
 * unknown architecture), another status of attn_seq_model_open, or ATTN_ERROR_MEMORY. */
ATTN_API attn_status attn_seq_model_find(const char *name, attn_seq_task task, char **directory);

/* ---- scoring ---------------------------------------------------------------------------------------------- */

typedef struct attn_seq_pair {
    attn_seq_text source, target;
} attn_seq_pair;

typedef struct attn_seq_pair_score {
    attn_status status; /* of this pair: ATTN_OK; ATTN_ERROR_FORMAT (a text as above); ATTN_ERROR_UNSUPPORTED (longer
                           than the model's positions) */
    double log_probability; /* NaN if status is not ATTN_OK */
    int64_t tokens;         /* of the target, with </s> */
    char message[160];      /* "" or what is wrong with the pair */
} attn_seq_pair_score;

/* scores[i].log_probability = sum_t log p(target_t | target_<t, source) over the pieces of pair i's target and </s>,
 * natural, of the softmax over the whole vocabulary. One pass for each pair; pairs are batched by length inside.
 *
 *   model    open, not NULL
 *   pairs    of count; NULL only if count is 0
 *   threads  0 to 1024; 0: attn_seq_threads()
 *   scores   of count
 *
 * Thread safety: may run in several threads on one model.
 * Returns ATTN_OK, whatever single pairs met; ATTN_ERROR_ARGUMENT; ATTN_ERROR_UNSUPPORTED (the model is for another
 * task); ATTN_ERROR_MEMORY. */
ATTN_API attn_status attn_seq_score(const attn_seq_model *model, const attn_seq_pair *pairs, int64_t count, int threads,
                                    attn_seq_pair_score *scores);

/* One output and the references that it may match; texts are UTF-8 and end in NUL. */
typedef struct attn_seq_segment {
    const char *hypothesis;
    const char *const *references;
    int64_t reference_count; /* at least 1 */
} attn_seq_segment;

typedef struct attn_seq_corpus_scores {
    size_t struct_size; /* set by the caller to sizeof(attn_seq_corpus_scores) */
    double bleu, chrf;  /* 0 to 100 */
    double rouge_1, rouge_2, rouge_l;
    char bleu_signature[160]; /* "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:attn-..." */
    char chrf_signature[160];
    char rouge_signature[160]; /* "nrefs:1|case:lower|tok:[a-z0-9]+|stem:no|avg:mean|version:attn-..." */
    char bleu_line[400];       /* as sacreBLEU prints it: name, signature, score, precisions, brevity, lengths */
    char chrf_line[400];
    char rouge_line[400];
} attn_seq_corpus_scores;

/* BLEU and chrF2 of a corpus, equal to sacreBLEU 2.x's with its default settings (13a tokens, exponential smoothing;
 * characters 1 to 6), and ROUGE-1, ROUGE-2 and ROUGE-L, equal to those of Google's rouge_score without its stemmer
 * (words of a to z and 0 to 9 in lower case; the mean of the segments' F1). The number of references of a segment is
 * free: ROUGE takes the best one.
 *
 * Thread safety: may run in several threads at once.
 * Returns ATTN_OK; ATTN_ERROR_ARGUMENT (NULL, a segment without reference, a struct_size of another version);
 * ATTN_ERROR_MEMORY. Source: Papineni et al. (2002); Popovic (2015); Post, "A Call for Clarity in Reporting BLEU
 * Scores" (2018); Lin, "ROUGE" (2004). */
ATTN_API attn_status attn_seq_corpus_score(const attn_seq_segment *segments, int64_t count,
                                           attn_seq_corpus_scores *scores);

/* ---- arrays in files (npy) --------------------------------------------------------------------------------- */

/* An array that was read: row-major, all in one piece. Zero all before first use; attn_seq_array_clear frees it. */
typedef struct attn_seq_array {
    int rank; /* dimensions, 0 to 8 */
    int64_t shape[8];
    int64_t count;  /* elements */
    float *values;  /* count of them; NULL when the file's are boolean */
    uint8_t *flags; /* count of 0 or 1 when the file's are boolean, else NULL */
} attn_seq_array;

/* Reads NumPy's npy, versions 1 to 3: floating-point numbers of 2, 4 or 8 bytes and whole numbers become fp32, rounded
 * to nearest where they must be; boolean ones stay so. Either byte order; Fortran order becomes row-major. Every size
 * is checked before it is used. *out is all zero on failure; neither argument is NULL.
 *
 * Thread safety: may run in several threads at once.
 * Returns ATTN_OK; ATTN_ERROR_ARGUMENT (NULL); ATTN_ERROR_FILE; ATTN_ERROR_FORMAT; ATTN_ERROR_UNSUPPORTED (a type that
 * is none of these); ATTN_ERROR_MEMORY. */
ATTN_API attn_status attn_seq_array_read_npy(attn_seq_array *out, const char *path);

/* Writes values (shape[0], ..., shape[rank - 1]) as little-endian fp32, row-major. The file replaces `path` only when
 * it is whole. rank is 0 to 8, no dimension is negative; values may be NULL when there is no element.
 *
 * Thread safety: may run in several threads at once.
 * Returns ATTN_OK; ATTN_ERROR_ARGUMENT; ATTN_ERROR_OVERFLOW; ATTN_ERROR_FILE; ATTN_ERROR_MEMORY. */
ATTN_API attn_status attn_seq_array_write_npy(const char *path, int rank, const int64_t *shape, const float *values);

/* Frees what was read and makes *array all zero; NULL is ignored. */
ATTN_API void attn_seq_array_clear(attn_seq_array *array);

/* ---- what it runs with --------------------------------------------------------------------------------------- */

/* The number of threads that 0 stands for: OMP_NUM_THREADS where its first number is one of 1 .. 1024, else the
 * affinity mask and the cgroup's CPU quota, at least 1. Both are asked once in the process's life. */
ATTN_API int attn_seq_threads(void);

/* Writes the name of the library that multiplies dense matrices, and its version as it is at run time: "oneDNN 2.6.3".
 * text has room for `size` bytes, at least 1; what does not fit is cut, and a NUL always ends it. */
ATTN_API void attn_seq_dense_library(char *text, size_t size);

#ifdef __cplusplus
}
#endif
#endif
