/* A command's line, declared as a table: the same table parses it, checks its values and writes its help.
 *
 *     int64_t beam = 6;
 *     const char *model = NULL;
 *     const option table[] = {
 *         option_int('b', "beam-size", "N", &beam, 1, 64, "hypotheses kept at each step"),
 *         option_string('m', "model", "DIR", &model, "the model's directory"),
 *     };
 *     const command_line line = {
 *         .command = "translate", .operands = "[FILE]", .most_operands = 1, .options = table, .option_count = 2,
 *         .summary = "Translates each line of FILE, or of standard input.",
 *     };
 *     char **files;
 *     int file_count;
 *     int stop = options_parse(&line, argc, argv, &files, &file_count);
 *     if (stop >= 0) return stop;
 *
 * Understood: --name value, --name=value, -n value, -nvalue, flags bundled as -ab, -- before operands that begin with
 * a dash, a lone - as an operand (standard input). Options and operands may come in any order; of an option given
 * twice the last one counts. Every command has --help and -h. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum option_kind { OPTION_FLAG, OPTION_INT, OPTION_FLOAT, OPTION_STRING, OPTION_CHOICE } option_kind;

typedef struct option {
    option_kind kind;
    char letter;       /* 0: no short form */
    const char *name;  /* without the dashes */
    const char *value; /* what the help calls the value: "N", "FILE" */
    const char *help;
    void *into; /* bool, int64_t, double, const char * or int (index of the choice), holding the default beforehand */
    int64_t least, most;
    double low, high;
    const char *const *choices; /* ends with NULL */
} option;

typedef struct command_line {
    const char *command;  /* "translate", "train translate" */
    const char *operands; /* "[FILE]", "Q.npy K.npy V.npy"; NULL: takes none */
    int least_operands, most_operands;
    const char *summary;  /* what the command does, in a sentence */
    const char *details;  /* further paragraphs of the help, wrapped by hand at 80; NULL: none */
    const char *examples; /* one command a line, without indentation; NULL: none */
    const option *options;
    size_t option_count;
} command_line;

/* A switch: false until given. */
option option_flag(char letter, const char *name, bool *into, const char *help);

/* A whole number from least to most. A default outside of that means "not given", and the help shows none. */
option option_int(char letter, const char *name, const char *value, int64_t *into, int64_t least, int64_t most,
                  const char *help);

/* A finite number from low to high, written with a point in any locale. A default outside (NaN too) means "not given".
 */
option option_float(char letter, const char *name, const char *value, double *into, double low, double high,
                    const char *help);

/* Any text but none at all, as of a shell's variable that is not set; it points into argv. NULL as default means "not
 * given". An empty operand is refused likewise. */
option option_string(char letter, const char *name, const char *value, const char **into, const char *help);

/* One word of a list; its index is stored. -1 as default means "not given". */
option option_choice(char letter, const char *name, int *into, const char *const *choices, const char *help);

/* Stores what argv[1 ..] gives; argv[0] is skipped. Returns -1 to go on, else the exit status to return at once: 0
 * after
 * --help was printed to standard output, 2 after wrong usage was told on standard error (then nothing was stored).
 * *operands gets *operand_count entries of argv, which is reordered. */
int options_parse(const command_line *line, int argc, char **argv, char ***operands, int *operand_count);

/* The help that --help prints. */
void options_print_help(const command_line *line);

/* Tells wrong usage that the table cannot express, as `attn COMMAND: message`, and how to get help. Returns 2. */
int options_refuse(const command_line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A whole number, all of text; false when it is none (errno: EINVAL) or does not fit (ERANGE). For values that hold
 * several: "L,R". */
bool options_read_int(const char *text, int64_t *number);

/* A finite number, all of text, with a decimal point in any locale. */
bool options_read_float(const char *text, double *number);

#endif
