/* A classifier on labelled examples: accuracy, macro-F1, and what is taken for what. */
#ifndef CLI_EVAL_LABELS_H
#define CLI_EVAL_LABELS_H

#include "attn/seq.h"

/* Prints the scores of an open classifier on the examples that `path` names, as text or as one JSON object. The exit
 * status. */
int eval_labels(const attn_seq_model *model, const char *path, const char *labels_path, int threads, bool json);

#endif
