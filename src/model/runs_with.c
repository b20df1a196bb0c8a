#include "attn/seq.h"
#include "base/parallel.h"
#include "tensor/dense.h"

int attn_seq_threads(void)
{
    return parallel_default_threads();
}

void attn_seq_dense_library(char *text, size_t size)
{
    if (text && size) dense_library(text, size);
}
