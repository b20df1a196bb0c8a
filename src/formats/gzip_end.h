/* Whether a file that gzread says is at its end is whole. zlib stops without a word where the file ends with the last
 * byte that it was asked for, behind which the check sum is missing; asked anew, it finds out. */
#ifndef FORMATS_GZIP_END_H
#define FORMATS_GZIP_END_H

#include <stdbool.h>
#include <zlib.h>

static inline bool gzip_is_whole(gzFile file)
{
    char more;
    int code = Z_OK;
    gzclearerr(file);
    return gzread(file, &more, 1) == 0 && gzerror(file, &code) && code == Z_OK;
}

#endif
