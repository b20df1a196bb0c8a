/* What the options call a recurrent network's cell. */
#ifndef TRAIN_RECURRENT_ARCH_H
#define TRAIN_RECURRENT_ARCH_H

#include "attn/seq.h"
#include "hidden/recurrent.h"

attn_seq_arch recurrent_arch_of(recurrent_cell cell);

/* arch: any attn_seq_arch but the Transformer. */
recurrent_cell recurrent_arch_cell(int64_t arch);

#endif
