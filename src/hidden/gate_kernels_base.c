#define GATE_KERNELS_NAME "base"
#define GATE_KERNELS_TABLE gate_kernels_base
#include "hidden/gate_kernels_body.h"
