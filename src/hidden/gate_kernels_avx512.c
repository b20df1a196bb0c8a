#define GATE_KERNELS_NAME "avx512"
#define GATE_KERNELS_TABLE gate_kernels_avx512
#include "hidden/gate_kernels_body.h"
