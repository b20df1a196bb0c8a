#define ROW_KERNELS_NAME "base"
#define ROW_KERNELS_TABLE row_kernels_base
#include "tensor/row_kernels_body.h"
