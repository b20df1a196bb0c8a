#define _DEFAULT_SOURCE /* madvise */
#include "base/large_block.h"

#include "base/checked.h"

#include <stdlib.h>
#include <sys/mman.h>

#define LARGE_PAGE ((size_t)2 << 20)

void *large_block(size_t bytes)
{
    const size_t alignment = bytes < LARGE_PAGE ? LARGE_BLOCK_ALIGNMENT : LARGE_PAGE;
    size_t whole;
    if (!checked_whole(bytes, alignment, &whole)) return NULL;
    void *memory = aligned_alloc(alignment, whole);
#ifdef MADV_HUGEPAGE
    if (memory && bytes >= LARGE_PAGE) madvise(memory, whole, MADV_HUGEPAGE); /* a refusal changes the speed alone */
#endif
    return memory;
}
