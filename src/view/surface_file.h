/* A finished Cairo surface into a PNG file, whole or not at all. */
#ifndef VIEW_SURFACE_FILE_H
#define VIEW_SURFACE_FILE_H

#include "attn/attn.h"

#include <cairo.h>

/* ATTN_ERROR_FILE or ATTN_ERROR_MEMORY; the surface stays the caller's. */
attn_status surface_file_save(cairo_surface_t *surface, const char *path);

#endif
