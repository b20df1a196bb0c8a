#include "formats/picture.h"

#include "base/status.h"
#include "formats/whole_file.h"

#include <stdlib.h>
#include <string.h>

attn_status picture_parse(picture *out, const char *name, const void *bytes, size_t size)
{
    memset(out, 0, sizeof *out);
    if (size >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0) return picture_from_png(out, name, bytes, size);
    if (size >= 3 && memcmp(bytes, "\xff\xd8\xff", 3) == 0) return picture_from_jpeg(out, name, bytes, size);
    return status_fail(ATTN_ERROR_FORMAT, "%s: begins as neither PNG nor JPEG, expected one of them", name);
}

attn_status picture_read(picture *out, const char *path)
{
    memset(out, 0, sizeof *out);
    unsigned char *bytes;
    size_t size;
    attn_status status = whole_file_read(&bytes, &size, path, PICTURE_MOST_BYTES);
    if (status != ATTN_OK) return status;
    status = picture_parse(out, path, bytes, size);
    free(bytes);
    return status;
}
