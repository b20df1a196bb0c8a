/* What the writers of attention share: checks, names, and JSON's strings. */
#ifndef VIEW_ATTENDED_H
#define VIEW_ATTENDED_H

#include "attn/seq.h"

#include <stdio.h>

/* Every size, and at most `most` weights in all. `what` begins messages: "the page". */
attn_status attended_check(const attn_seq_attended *inputs, size_t count, const char *path, int64_t most,
                           const char *what);

/* Sizes of a picture and of the patches in it, which must lie inside. */
attn_status patches_check(const attn_seq_patches *p);

/* "cross", "encoder", "decoder", "pooling". */
const char *attended_kind_name(attn_seq_attention_kind kind);

/* "translate", "summarize", "text", "image", "audio". */
const char *attended_task_name(attn_seq_task task);

/* A clean label in quotes, with every character escaped that JSON or HTML could take for something else: nothing in it
 * can end the script that holds it. false without memory. */
bool attended_put_string(FILE *out, const char *text);

/* ,"name":["..",..] */
bool attended_put_labels(FILE *out, const char *name, const char *const *labels, int64_t count);

#endif
