#define _GNU_SOURCE /* memfd_create */
#include "memory_file.h"

#include "base/utf8.h"
#include "input/examples.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads a file, plain or gzip, as labelled examples of whatever kind it seems to be: what it keeps is text with a label
 * that there is. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = memory_file(data, size);
    example_kind kind;
    if (example_kind_of(path, &kind) != ATTN_OK) return 0;
    example_list l;
    if (example_list_read(&l, path, path, kind) == ATTN_OK) {
        for (int64_t i = 0; i < l.count; i++) {
            if (l.label[i] < 0 || l.label[i] >= l.labels.count) abort();
            if (l.content[i] && !utf8_valid(l.content[i], strlen(l.content[i]))) abort();
        }
    }
    example_list_clear(&l);
    return 0;
}
