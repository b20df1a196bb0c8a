/* A model as every command opens one: what it is, and a notice where its files hold more than that. */
#ifndef CLI_OPENED_MODEL_H
#define CLI_OPENED_MODEL_H

#include "attn/seq.h"

/* Opens and describes it. 0, or 1 after telling why it cannot be opened. Weights of the file for which config.json has
 * no place are told of on standard error, as transformers does: the two may not belong together. */
int opened_model(const char *command, const char *directory, attn_seq_model **model, attn_seq_description *d);

/* The same of the model that attn_seq_model_find finds. */
int opened_model_found(const char *command, const char *name, attn_seq_task task, attn_seq_model **model,
                       attn_seq_description *d);

#endif
