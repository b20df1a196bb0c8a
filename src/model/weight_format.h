/* What weights are written as. */
#ifndef MODEL_WEIGHT_FORMAT_H
#define MODEL_WEIGHT_FORMAT_H

#include "attn/attn.h"

typedef enum weight_format {
    WEIGHTS_FP32,
    WEIGHTS_BF16,
    WEIGHTS_INT8 /* matrices as in formats/int8_rows.h, vectors in fp32; of recurrent models alone */
} weight_format;

/* What config.json calls it. */
const char *weight_format_dtype(weight_format format);

/* ATTN_ERROR_UNSUPPORTED where a directory that transformers opens cannot be in this format. */
attn_status weight_format_check_exchanged(weight_format format, const char *directory);

#endif
