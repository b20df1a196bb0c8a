/* What a task of backward reads and writes, for the one before it to ask for while it multiplies
 * (kernels/lines_ahead.h). */
#ifndef ATTENTION_BACKWARD_AHEAD_H
#define ATTENTION_BACKWARD_AHEAD_H

#include "attention/backward_rounds.h"

/* Whether asking pays: the call's arrays are more than the third cache holds. Nearer, it takes longer than it saves. */
bool backward_ahead_pays(const attn_desc *d);

/* The rows of the task that a worker does after this one, as far as can be told: the next of this round. */
void backward_ahead_find(lines_ahead *ahead, const backward_plan *plan, int64_t task);

#endif
