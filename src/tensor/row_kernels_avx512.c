#define ROW_KERNELS_NAME "avx512"
#define ROW_KERNELS_TABLE row_kernels_avx512
#include "tensor/row_kernels_body.h"
