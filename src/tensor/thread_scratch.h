/* Memory for the time of a call, kept by the thread that made it and freed when the thread ends. */
#ifndef TENSOR_THREAD_SCRATCH_H
#define TENSOR_THREAD_SCRATCH_H

#include <stddef.h>

/* What for: oneDNN's own scratchpad; a product's factors narrowed, the second one packed. */
typedef enum scratch_use { SCRATCH_PRODUCT, SCRATCH_A, SCRATCH_B, SCRATCH_PACKED, SCRATCHES } scratch_use;

/* At least `bytes`, aligned to a page, contents undefined; the thread's next call for the same use may move it. NULL
 * when the system gives none. */
void *thread_scratch(scratch_use which, size_t bytes);

#endif
