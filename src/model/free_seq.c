#include "attn/seq.h"

#include <stdlib.h>

void attn_seq_free(void *memory)
{
    free(memory);
}
