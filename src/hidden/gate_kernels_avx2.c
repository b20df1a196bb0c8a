#define GATE_KERNELS_NAME "avx2"
#define GATE_KERNELS_TABLE gate_kernels_avx2
#include "hidden/gate_kernels_body.h"
