/*
 * seq.h - sequence models built on the attention operator: open, run, train, score, look inside.
 *
 * Everything that the command `attn` does, it does through this header. Models are Hugging Face directories.
 */
#ifndef ATTN_SEQ_H
#define ATTN_SEQ_H

#include "attn/attn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The message of this thread's last failed call into libattnseq; "" before the first. Never NULL. */
ATTN_API const char *attn_seq_error(void);

/* ---- training a translator -------------------------------------------------------------------------------- */

/* ---- translating ------------------------------------------------------------------------------------------ */

/* ---- scoring ---------------------------------------------------------------------------------------------- */

/* ---- looking inside ---------------------------------------------------------------------------------------- */

/* ---- arrays in files (npy) --------------------------------------------------------------------------------- */

#ifdef __cplusplus
}
#endif
#endif
