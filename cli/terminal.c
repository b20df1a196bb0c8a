#include "terminal.h"

#include "colour.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

int64_t terminal_width(FILE *stream)
{
    struct winsize size;
    if (ioctl(fileno(stream), TIOCGWINSZ, &size) || size.ws_col < 20) return 80;
    return size.ws_col < 200 ? size.ws_col : 200;
}

attn_seq_colours terminal_colours(FILE *stream)
{
    if (!colour_shown(stream)) return ATTN_SEQ_COLOURS_NONE;
    const char *depth = getenv("COLORTERM");
    bool many = depth && (!strcmp(depth, "truecolor") || !strcmp(depth, "24bit"));
    return many ? ATTN_SEQ_COLOURS_TRUE : ATTN_SEQ_COLOURS_256;
}
