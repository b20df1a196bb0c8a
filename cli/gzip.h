/* Commands that read text say what to do with a gzip file, instead of taking its bytes for lines. */
#ifndef CLI_GZIP_H
#define CLI_GZIP_H

#include <stdbool.h>
#include <stddef.h>

#define GZIP_ADVICE "a gzip file, expected text: unpack it first, with gzip -dc"

/* Whether a file that begins with these bytes is one (RFC 1952, section 2.3.1); no UTF-8 text begins so. */
static inline bool gzip_begins(const char *bytes, size_t length)
{
    return length >= 2 && bytes[0] == '\x1f' && bytes[1] == '\x8b';
}

#endif
