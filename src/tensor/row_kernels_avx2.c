#define ROW_KERNELS_NAME "avx2"
#define ROW_KERNELS_TABLE row_kernels_avx2
#include "tensor/row_kernels_body.h"
