/* A command line, one word a line, through the option parser. */
#include "options.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_WORDS 64

static void parse(int argc, char **argv)
{
    static const char *const kinds[] = {"soft", "hard", NULL};
    bool flag = false;
    int64_t whole = 6;
    double real = NAN;
    const char *text = NULL;
    int kind = -1, count;
    const option table[] = {
        option_flag('f', "fast", &flag, "a switch"),
        option_int('b', "beam-size", "N", &whole, -5, 64, "a whole number"),
        option_float(0, "scale", "S", &real, -10, 10, "a number"),
        option_string('m', "model", "DIR", &text, "a text"),
        option_choice('k', "kind", &kind, kinds, "a choice"),
    };
    const command_line line = {.command = "fuzz",
                               .operands = "[FILE]...",
                               .least_operands = 0,
                               .most_operands = 3,
                               .summary = "Parses.",
                               .options = table,
                               .option_count = sizeof table / sizeof *table};
    char **operands;
    int stop = options_parse(&line, argc, argv, &operands, &count);
    if (stop >= 0) return;
    if (whole < -5 || whole > 64 || real < -10 || real > 10 || kind > 1 || count > 3) abort();
    for (int i = 0; i < count; i++) (void)strlen(operands[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int silent;
    if (!silent) silent = freopen("/dev/null", "w", stdout) && freopen("/dev/null", "w", stderr);
    char *words = malloc(size + 1), *argv[MOST_WORDS + 1];
    if (!words) return 0;
    memcpy(words, data, size);
    words[size] = 0;
    int argc = 0;
    argv[argc++] = "fuzz";
    for (char *rest = words; rest && argc < MOST_WORDS;) argv[argc++] = strsep(&rest, "\n");
    argv[argc] = NULL;
    parse(argc, argv);
    free(words);
    return 0;
}
