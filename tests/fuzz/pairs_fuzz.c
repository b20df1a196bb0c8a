#define _GNU_SOURCE /* memfd_create */
#include "memory_file.h"

#include "base/utf8.h"
#include "input/pairs.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads a file, plain or gzip, as pairs: what it keeps is text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pair_texts p = {0};
    if (pair_texts_read_tsv(&p, memory_file(data, size)) == ATTN_OK) {
        for (int64_t i = 0; i < p.count; i++) {
            if (!p.source[i][0] || !utf8_valid(p.source[i], strlen(p.source[i]))) abort();
            if (!p.target[i][0] || !utf8_valid(p.target[i], strlen(p.target[i]))) abort();
        }
    }
    pair_texts_clear(&p);
    return 0;
}
