/* The options that say what of a model's attention is written: their words, and whether they mean something together
 * and for a model. */
#ifndef CLI_ATTENTION_OPTIONS_H
#define CLI_ATTENTION_OPTIONS_H

#include "attention_output.h"
#include "options.h"

/* What their help says. */
#define ATTENTION_OUTPUT_HELP                                                                                          \
    "what was attended to: FILE ends in .png (picture), .html (page), .json or .npy (numbers); - is the terminal"
#define ATTENTION_LAYER_HELP "this layer alone, from 1 (default: the mean of all)"
#define ATTENTION_HEAD_HELP "this head alone, from 1 (default: the mean of all)"
#define ATTENTION_ROLLOUT_HELP "through all layers up to --layer, by attention roll-out"

/* Of the line alone. Returns -1 to go on, else 2 after telling wrong usage. */
int attention_options_refuse(const command_line *line, const attention_output *o);

/* Whether the model has what they ask for. Returns 0, or 1 after telling what it lacks. */
int attention_options_check(const attention_output *o, const attn_seq_description *model);

#endif
