#include "input/vocabulary.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every piece that has an id is found under it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vocabulary *v;
    if (vocabulary_parse(&v, (const char *)data, size, "vocab.json") != ATTN_OK) return 0;
    for (int32_t id = 0; id < vocabulary_size(v); id++) {
        const char *piece = vocabulary_piece(v, id);
        if (piece && vocabulary_find(v, piece, strlen(piece)) != id) abort();
    }
    vocabulary_destroy(v);
    return 0;
}
