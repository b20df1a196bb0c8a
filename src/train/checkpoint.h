/* DIR/checkpoint.safetensors: a run's whole state and its settings in one file, so that one rename makes all of it new.
 */
#ifndef TRAIN_CHECKPOINT_H
#define TRAIN_CHECKPOINT_H

#include "attn/seq.h"
#include "formats/safetensors.h"
#include "train/train_state.h"

/* DIR/checkpoint.safetensors into path. */
attn_status checkpoint_path(const char *directory, char *path, size_t size);

attn_status checkpoint_save(const train_state *s, const attn_seq_train_options *o, const char *kind,
                            uint64_t fingerprint);

/* An opened checkpoint. */
typedef struct checkpoint {
    safetensors *file;
    char path[4096];
    char *texts[5]; /* settings' */
    int text_count;
} checkpoint;

/* ARGUMENT when it is of a training of another kind. *out is overwritten, and must be cleared by the caller also after
 * a failure. */
attn_status checkpoint_open(checkpoint *out, const char *directory, const char *kind);
void checkpoint_clear(checkpoint *c);

/* Gives every setting that was not said the checkpoint's value. The texts live as long as the checkpoint. */
attn_status checkpoint_adopt(checkpoint *c, attn_seq_train_options *o);

/* Fills a state that was created for the same settings. FORMAT names what does not fit, ARGUMENT when the training
 * data are others. */
attn_status checkpoint_restore(const checkpoint *c, train_state *s, uint64_t fingerprint);

#endif
