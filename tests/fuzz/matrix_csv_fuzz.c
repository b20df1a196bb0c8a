/* The csv that `attn explain` reads. */
#include "matrix_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int silent;
    if (!silent) silent = freopen("/dev/null", "w", stderr) != NULL;
    matrix_list list = {0};
    int status = matrix_list_read_csv(&list, "fuzz", "input", (const char *)data, size);
    for (int i = 0; i < list.count && status == 0; i++) {
        const matrix *m = &list.items[i];
        if (m->rows < 1 || m->rows > MATRIX_MOST_SIDE || m->columns < 1 || m->columns > MATRIX_MOST_SIDE) abort();
        for (int64_t j = 0; j < m->rows * m->columns; j++)
            if (!isfinite(m->values[j])) abort();
    }
    matrix_list_clear(&list);
    return 0;
}
