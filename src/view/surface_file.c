#include "view/surface_file.h"

#include "base/replace_file.h"
#include "base/status.h"

static cairo_status_t to_file(void *file, const unsigned char *bytes, unsigned int size)
{
    return replace_file_write(file, bytes, size) == ATTN_OK ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_WRITE_ERROR;
}

attn_status surface_file_save(cairo_surface_t *surface, const char *path)
{
    replace_file *file;
    attn_status status = replace_file_open(&file, path);
    if (status != ATTN_OK) return status;
    cairo_status_t drawn = cairo_surface_write_to_png_stream(surface, to_file, file);
    if (drawn == CAIRO_STATUS_SUCCESS || drawn == CAIRO_STATUS_WRITE_ERROR) return replace_file_commit(file);
    replace_file_discard(file);
    return status_fail(ATTN_ERROR_MEMORY, "%s: %s", path, cairo_status_to_string(drawn));
}
