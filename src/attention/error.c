#include "base/status.h"

const char *attn_error(void)
{
    return status_message();
}
