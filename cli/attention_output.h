/* --attention FILE: what inputs attended to, as pictures, a page, or numbers, by FILE's ending. */
#ifndef CLI_ATTENTION_OUTPUT_H
#define CLI_ATTENTION_OUTPUT_H

#include "attn/seq.h"

/* What the option's help says of its value. */
#define ATTENTION_OUTPUT_HELP                                                                                          \
    "what was attended to: FILE ends in .png (picture), .html (page), .json or .npy (numbers); - is the terminal"
#define ATTENTION_LAYER_HELP "this layer alone, from 1 (default: the mean of all)"
#define ATTENTION_HEAD_HELP "this head alone, from 1 (default: the mean of all)"
#define ATTENTION_ROLLOUT_HELP "through all layers up to --layer, by attention roll-out"

typedef struct attention_output {
    const char *command;
    const char *path;    /* NULL: not asked for */
    int64_t layer, head; /* from 1; 0: the mean over all */
    bool rollout;
    int kind; /* attn_seq_attention_kind; -1: the first that there is */
    /* What a page or a JSON file is made of, kept until the end. */
    attn_seq_attended *kept;
    size_t count, capacity;
    int64_t weights;
} attention_output;

/* Whether the path's end says what to make. */
bool attention_output_known(const char *path);

/* Whether everything is kept until attention_output_end: what was added must live so long, its texts apart. */
bool attention_output_keeps(const attention_output *o);

/* Makes the picture of input `id`, counted from 0, or keeps it. An input without attention (an empty line) is passed
 * over. Returns 0, or 1 after telling what failed. */
int attention_output_add(attention_output *o, const attn_seq_attended *input, int64_t id);

/* Writes what was kept, and frees. Returns 0, or 1 after telling what failed. */
int attention_output_end(attention_output *o);

#endif
