/* A count and its noun: status_fail(.., "%lld sample%s", n, plural(n)). */
#ifndef BASE_PLURAL_H
#define BASE_PLURAL_H

#include <stdint.h>

/* The ending of a noun behind its count. */
static inline const char *plural(int64_t count)
{
    return count == 1 ? "" : "s";
}

#endif
