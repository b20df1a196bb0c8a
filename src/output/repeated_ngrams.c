#include "output/repeated_ngrams.h"

#include <string.h>

int64_t repeated_ngrams(const int32_t *ids, int64_t length, int64_t size, int32_t *completing)
{
    int64_t before = size - 1, count = 0;
    for (int64_t i = 0; i + before < length; i++) {
        if (memcmp(ids + i, ids + length - before, (size_t)before * sizeof *ids) == 0)
            completing[count++] = ids[i + before];
    }
    return count;
}
