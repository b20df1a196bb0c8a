#include "formats/whole_file.h"

#include "base/status.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_PIECE ((size_t)1 << 14)

attn_status whole_file_read(unsigned char **bytes, size_t *size, const char *path, size_t most)
{
    FILE *f = fopen(path, "rb");
    if (!f) return status_fail(ATTN_ERROR_FILE, "%s: cannot read: %s", path, strerror(errno));
    size_t used = 0, room = 0;
    unsigned char *all = NULL;
    for (;;) {
        if (used == room) {
            room = room ? room * 2 : FIRST_PIECE;
            unsigned char *larger = used <= most ? realloc(all, room) : NULL;
            if (!larger) break;
            all = larger;
        }
        size_t got = fread(all + used, 1, room - used, f);
        if (got == 0) break;
        used += got;
    }
    int failed = ferror(f), error = errno;
    bool whole = feof(f);
    fclose(f);
    if (whole && used <= most) {
        *bytes = all;
        *size = used;
        return ATTN_OK;
    }
    free(all);
    if (failed) return status_fail(ATTN_ERROR_FILE, "%s: cannot read: %s", path, strerror(error));
    if (used > most)
        return status_fail(ATTN_ERROR_FORMAT, "%s: longer than the %zu bytes expected at most", path, most);
    return status_fail(ATTN_ERROR_MEMORY, "%s: no memory to read it", path);
}
