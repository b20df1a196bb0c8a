/* What a drawing must know of where it is shown. */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include "attn/seq.h"

#include <stdio.h>

/* Characters in a line: 20 to 200; 80 where stream is no terminal. */
int64_t terminal_width(FILE *stream);

/* None where colour_shown says so. */
attn_seq_colours terminal_colours(FILE *stream);

#endif
