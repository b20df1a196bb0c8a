/* Memory that is given out piece by piece and taken back all at once.
 *
 *     block 0            block 1 (twice as large)
 *     [aaaaabbbbccc...]  [dddddddddd..........]
 *                                   ^ used
 *
 * Blocks are kept on reset, so a training step that repeats its shapes allocates nothing after its first round. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/large_block.h"

#include <stddef.h>

#define ARENA_ALIGNMENT LARGE_BLOCK_ALIGNMENT

typedef struct arena arena;

/* NULL when the system gives no memory. */
arena *arena_create(void);

/* `bytes` aligned to ARENA_ALIGNMENT, contents undefined; NULL when the system gives no memory. Zero bytes give a valid
 * pointer. */
void *arena_take(arena *a, size_t bytes);

/* The same for `count` elements of `size` bytes, zeroed; NULL on overflow too. */
void *arena_take_zeroed(arena *a, size_t count, size_t size);

/* Takes everything back; what arena_take gave is no longer valid. */
void arena_reset(arena *a);

/* How far an arena has come. */
typedef struct arena_place {
    void *block;
    size_t used;
} arena_place;

arena_place arena_place_now(const arena *a);

/* Takes back all that was given since `place` but the `bytes` at `kept`, which move to where they are returned; NULL
 * when the system gives no memory. */
void *arena_keep(arena *a, arena_place place, const void *kept, size_t bytes);

/* Bytes that the blocks hold together. */
size_t arena_capacity(const arena *a);

/* NULL is ignored. */
void arena_destroy(arena *a);

#endif
