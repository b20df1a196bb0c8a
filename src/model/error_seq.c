#include "attn/seq.h"
#include "base/status.h"

const char *attn_seq_error(void)
{
    return status_message();
}
