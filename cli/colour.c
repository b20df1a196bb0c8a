#include "colour.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool colour_shown(FILE *stream)
{
    const char *refused = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");
    return !(refused && *refused) && terminal && *terminal && strcmp(terminal, "dumb") && isatty(fileno(stream));
}

const char *colour(FILE *stream, colour_style style)
{
    static const char *const sequence[] = {
        [COLOUR_PLAIN] = "\033[0m", [COLOUR_HEADING] = "\033[1;4m", [COLOUR_STRONG] = "\033[1m",
        [COLOUR_FAINT] = "\033[2m", [COLOUR_ACCENT] = "\033[36m",   [COLOUR_ERROR] = "\033[31m",
    };
    return colour_shown(stream) ? sequence[style] : "";
}
