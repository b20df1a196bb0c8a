/* Colour where a person reads, plain text where a program does. */
#ifndef CLI_COLOUR_H
#define CLI_COLOUR_H

#include <stdbool.h>
#include <stdio.h>

typedef enum colour_style {
    COLOUR_PLAIN,
    COLOUR_HEADING,
    COLOUR_STRONG,
    COLOUR_FAINT,
    COLOUR_ACCENT,
    COLOUR_ERROR
} colour_style;

/* Whether stream is a terminal that shows colours: not when NO_COLOR is set and not empty (https://no-color.org), nor
 * when TERM is unset or "dumb". */
bool colour_shown(FILE *stream);

/* The escape sequence that turns a style on, COLOUR_PLAIN ending it; "" when stream shows no colours. */
const char *colour(FILE *stream, colour_style style);

#endif
