#define KERNEL_AVX2
#include "output/logit_row_body.h"
