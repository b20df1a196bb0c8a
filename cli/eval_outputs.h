/* Outputs that are given, line by line, and not made by a model. */
#ifndef CLI_EVAL_OUTPUTS_H
#define CLI_EVAL_OUTPUTS_H

#include "eval_pairs.h"

#include <stdbool.h>

/* Scores the lines of `outputs`, one for each pair of `file`, against the pairs' targets, and prints all scores. Of a
 * source that stands on several lines the first line's output counts. The exit status. */
int eval_outputs(const char *outputs, const char *file, bool json);

#endif
