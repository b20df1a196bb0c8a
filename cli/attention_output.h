/* --attention FILE: what inputs attended to, as pictures, a page, or numbers, by FILE's ending. */
#ifndef CLI_ATTENTION_OUTPUT_H
#define CLI_ATTENTION_OUTPUT_H

#include "attn/seq.h"

typedef struct attention_output {
    const char *command;
    const char *path;    /* NULL: not asked for */
    int64_t layer, head; /* from 1; 0: the mean over all */
    bool rollout;
    int kind; /* attn_seq_attention_kind; -1: the first that there is */
    bool any;
    /* What a page or a JSON file is made of, kept until the end. */
    attn_seq_attended *kept;
    size_t count, capacity;
    int64_t weights;
    struct held_results *held;
    size_t held_count;
} attention_output;

/* Makes the picture of input `id`, counted from 0, or keeps it. An input without attention (an empty line) is passed
 * over. What the input points at must live until attention_output_hold takes it, its texts apart. Returns 0, or 1 after
 * telling what failed. */
int attention_output_add(attention_output *o, const attn_seq_attended *input, int64_t id);

/* Takes over results that what was added points into: they are released by release(results, count), at once where
 * nothing is kept of them. Returns 0, or 1 after telling that memory is short. */
int attention_output_hold(attention_output *o, void *results, int64_t count,
                          void (*release)(void *results, int64_t count));

/* 0 where something was added, or nothing asked for; else 1 after telling that there will be no file. */
int attention_output_expect_any(const attention_output *o);

/* Nothing will be written of what was kept. */
void attention_output_forget(attention_output *o);

/* Writes what was kept, and frees. Returns 0, or 1 after telling what failed. */
int attention_output_end(attention_output *o);

#endif
