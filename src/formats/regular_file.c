#include "formats/regular_file.h"

#include "base/status.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

attn_status regular_file_expect(const char *path)
{
    struct stat found;
    if (stat(path, &found) != 0) return status_fail(ATTN_ERROR_FILE, "%s: cannot read: %s", path, strerror(errno));
    if (S_ISREG(found.st_mode)) return ATTN_OK;
    return status_fail(ATTN_ERROR_FILE, "%s: %s, expected a file", path,
                       S_ISDIR(found.st_mode) ? "a directory" : "a pipe or a device");
}
