/* What weights are written as. */
#ifndef MODEL_WEIGHT_FORMAT_H
#define MODEL_WEIGHT_FORMAT_H

typedef enum weight_format { WEIGHTS_FP32, WEIGHTS_BF16 } weight_format;

#endif
