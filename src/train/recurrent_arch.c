#include "train/recurrent_arch.h"

attn_seq_arch recurrent_arch_of(recurrent_cell cell)
{
    static const attn_seq_arch archs[] = {[RECURRENT_RNN] = ATTN_SEQ_ARCH_RNN,
                                          [RECURRENT_LSTM] = ATTN_SEQ_ARCH_LSTM,
                                          [RECURRENT_GRU] = ATTN_SEQ_ARCH_GRU};
    return archs[cell];
}

recurrent_cell recurrent_arch_cell(int64_t arch)
{
    static const recurrent_cell cells[] = {[ATTN_SEQ_ARCH_LSTM] = RECURRENT_LSTM,
                                           [ATTN_SEQ_ARCH_GRU] = RECURRENT_GRU,
                                           [ATTN_SEQ_ARCH_RNN] = RECURRENT_RNN};
    return cells[arch];
}
