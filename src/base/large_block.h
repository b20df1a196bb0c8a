/* Memory in large pages where it is large and the system has them: fewer page faults, and fewer address translations
 * for whatever streams through it. */
#ifndef BASE_LARGE_BLOCK_H
#define BASE_LARGE_BLOCK_H

#include <stddef.h>

#define LARGE_BLOCK_ALIGNMENT 64 /* a cache line and a 512-bit vector */

/* `bytes`, at least 1, aligned to LARGE_BLOCK_ALIGNMENT, contents undefined, to be given back by free; NULL when the
 * system gives no memory. */
void *large_block(size_t bytes);

#endif
