#define KERNEL_AVX512
#include "output/logit_row_body.h"
