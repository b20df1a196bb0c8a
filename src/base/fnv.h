/* FNV-1a, 64 bits (Fowler, Noll and Vo): hashes of names, and fingerprints of what is kept in memory. */
#ifndef BASE_FNV_H
#define BASE_FNV_H

#include <stddef.h>
#include <stdint.h>

/* The hash of nothing. */
#define FNV_EMPTY UINT64_C(0xcbf29ce484222325)

/* That of what h is the hash of, and `count` bytes more. */
static inline uint64_t fnv_hash(uint64_t h, const void *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) h = (h ^ ((const unsigned char *)bytes)[i]) * UINT64_C(0x100000001b3);
    return h;
}

#endif
