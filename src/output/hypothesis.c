#include "output/hypothesis.h"

#include <stdlib.h>

void hypotheses_clear(hypothesis *h, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        free(h[i].ids);
        h[i] = (hypothesis){0};
    }
}
