#include "base/arena.h"

#include "base/checked.h"
#include "base/large_block.h"

#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISON 1
#endif
#endif
#ifdef ARENA_POISON
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

#define FIRST_BLOCK ((size_t)1 << 20)

typedef struct block {
    struct block *next;
    size_t size, used;
    unsigned char *bytes;
} block;

struct arena {
    block *first, *current;
};

static block *block_create(size_t size)
{
    block *b = malloc(sizeof *b);
    if (!b) return NULL;
    b->bytes = large_block(size);
    if (!b->bytes) {
        free(b);
        return NULL;
    }
    b->next = NULL;
    b->size = size;
    b->used = 0;
    ASAN_POISON_MEMORY_REGION(b->bytes, size);
    return b;
}

arena *arena_create(void)
{
    return calloc(1, sizeof(arena));
}

/* A block with room for `size` bytes after the current one: an old one that is large enough, else a new one. */
static block *next_block(arena *a, size_t size)
{
    block **link = a->current ? &a->current->next : &a->first;
    while (*link && (*link)->size - (*link)->used < size) link = &(*link)->next;
    if (*link) return *link;
    size_t want = a->current ? a->current->size : FIRST_BLOCK / 2;
    want = want > SIZE_MAX / 4 ? want : want * 2;
    if (want < size) want = size;
    *link = block_create(want);
    return *link;
}

void *arena_take(arena *a, size_t bytes)
{
    size_t size;
    if (!checked_whole(bytes ? bytes : 1, ARENA_ALIGNMENT, &size)) return NULL;
    if (!a->current || a->current->size - a->current->used < size) {
        block *b = next_block(a, size);
        if (!b) return NULL;
        a->current = b;
    }
    unsigned char *p = a->current->bytes + a->current->used;
    a->current->used += size;
    ASAN_UNPOISON_MEMORY_REGION(p, bytes ? bytes : 1);
    return p;
}

void *arena_take_zeroed(arena *a, size_t count, size_t size)
{
    size_t bytes;
    if (!checked_mul(count, size, &bytes)) return NULL;
    void *p = arena_take(a, bytes);
    return p ? memset(p, 0, bytes) : NULL;
}

static void poison_unused(block *b)
{
    for (; b; b = b->next) ASAN_POISON_MEMORY_REGION(b->bytes + b->used, b->size - b->used);
}

void arena_reset(arena *a)
{
    for (block *b = a->first; b; b = b->next) b->used = 0;
    poison_unused(a->first);
    a->current = a->first;
}

arena_place arena_place_now(const arena *a)
{
    return (arena_place){a->current, a->current ? a->current->used : 0};
}

void *arena_keep(arena *a, arena_place place, const void *kept, size_t bytes)
{
    block *from = place.block ? place.block : a->first;
    for (block *b = from; b; b = b->next) b->used = b == place.block ? place.used : 0;
    a->current = place.block ? place.block : a->first;
    void *p = arena_take(a, bytes);
    if (p) memmove(p, kept, bytes); /* which lay at or behind p */
    poison_unused(from);
    return p;
}

size_t arena_capacity(const arena *a)
{
    size_t total = 0;
    for (const block *b = a->first; b; b = b->next) total += b->size;
    return total;
}

void arena_destroy(arena *a)
{
    if (!a) return;
    for (block *b = a->first, *next; b; b = next) {
        next = b->next;
        ASAN_UNPOISON_MEMORY_REGION(b->bytes, b->size);
        free(b->bytes);
        free(b);
    }
    free(a);
}
