#include "model/weight_format.h"

#include "base/status.h"

const char *weight_format_dtype(weight_format format)
{
    static const char *const names[] = {
        [WEIGHTS_FP32] = "float32",
        [WEIGHTS_BF16] = "bfloat16",
        [WEIGHTS_INT8] = "int8",
    };
    return names[format];
}

attn_status weight_format_check_exchanged(weight_format format, const char *directory)
{
    if (format != WEIGHTS_INT8) return ATTN_OK;
    return status_fail(ATTN_ERROR_UNSUPPORTED,
                       "%s: weights in int8, which transformers does not read; expected float32 or bfloat16",
                       directory);
}
