#define KERNEL_SCALAR
#include "output/logit_row_body.h"
