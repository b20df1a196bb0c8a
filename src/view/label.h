/* Words from outside made fit to be shown: valid UTF-8, on one line, without anything that a terminal would obey. */
#ifndef VIEW_LABEL_H
#define VIEW_LABEL_H

#include <stddef.h>

#define LABEL_ELLIPSIS "\xE2\x80\xA6"

/* A copy of at most `most` characters (then it ends with an ellipsis): bytes that are no UTF-8 become U+FFFD, control
 * characters and directional overrides a space. NULL text gives an empty copy. To be freed; NULL without memory. */
char *label_clean(const char *text, size_t most);

/* The number i + 1 in decimal, for rows and columns without labels. To be freed; NULL without memory. */
char *label_number(long long i);

/* How many terminal cells a clean label takes: wide characters two, combining ones none. */
size_t label_width(const char *clean);

/* The bytes of a clean label that `width` cells (at least 1) hold, and the cells these take. Where that is not all of
 * it, one cell is left for an ellipsis. */
size_t label_cut(const char *clean, size_t width, size_t *cells);

/* The bytes of the first character with all that combines with it, and its cells. 0 at the end. */
size_t label_first(const char *clean, size_t *cells);

#endif
