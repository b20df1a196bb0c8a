#include "colour.h"
#include "options.h"

#include <stdio.h>
#include <string.h>

#define PAGE_WIDTH 80
#define HELP_COLUMN 28 /* where the options' words begin */

/* "-b, --beam-size N" */
static void label(const option *o, char *text, size_t size)
{
    char letter[8] = "    ";
    if (o->letter) snprintf(letter, sizeof letter, "-%c, ", o->letter);
    int used = snprintf(text, size, "  %s--%s", letter, o->name);
    if (o->kind == OPTION_CHOICE) {
        for (int i = 0; o->choices[i] && used < (int)size; i++)
            used += snprintf(text + used, size - (size_t)used, "%c%s", i ? '|' : ' ', o->choices[i]);
    } else if (o->value && used < (int)size) {
        snprintf(text + used, size - (size_t)used, " %s", o->value);
    }
}

/* The help's words, then the default if there is one. */
static void describe(const option *o, char *text, size_t size)
{
    int used = snprintf(text, size, "%s", o->help);
    if (used < 0 || (size_t)used >= size) return;
    text += used;
    size -= (size_t)used;
    if (o->kind == OPTION_INT) {
        int64_t n = *(const int64_t *)o->into;
        if (n >= o->least && n <= o->most) snprintf(text, size, " (default %lld)", (long long)n);
    } else if (o->kind == OPTION_FLOAT) {
        double x = *(const double *)o->into;
        if (x >= o->low && x <= o->high) snprintf(text, size, " (default %g)", x);
    } else if (o->kind == OPTION_STRING) {
        const char *s = *(const char *const *)o->into;
        if (s) snprintf(text, size, " (default %s)", s);
    } else if (o->kind == OPTION_CHOICE) {
        int i = *(const int *)o->into;
        if (i >= 0) snprintf(text, size, " (default %s)", o->choices[i]);
    }
}

/* Prints text word by word between `indent` and the page's width, `column` characters of the line being used already.
 */
static void print_wrapped(const char *text, size_t column, size_t indent)
{
    printf("%*s", (int)(indent - column), "");
    column = indent;
    while (*text) {
        size_t word = strcspn(text, " \n");
        if (column > indent && column + 1 + word > PAGE_WIDTH) {
            printf("\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            putchar(' ');
            column++;
        }
        printf("%.*s", (int)word, text);
        column += word;
        text += word + strspn(text + word, " \n");
    }
    putchar('\n');
}

static void print_option(const option *o)
{
    char left[256], right[1024];
    label(o, left, sizeof left);
    describe(o, right, sizeof right);
    printf("%s%s%s", colour(stdout, COLOUR_STRONG), left, colour(stdout, COLOUR_PLAIN));
    size_t used = strlen(left);
    if (used + 2 > HELP_COLUMN) {
        putchar('\n');
        used = 0;
    }
    print_wrapped(right, used, HELP_COLUMN);
}

static void print_heading(const char *words)
{
    printf("\n%s%s%s\n", colour(stdout, COLOUR_HEADING), words, colour(stdout, COLOUR_PLAIN));
}

static void print_examples(const char *examples)
{
    print_heading("Examples:");
    while (*examples) {
        size_t length = strcspn(examples, "\n");
        printf("  %.*s\n", (int)length, examples);
        examples += length + (examples[length] == '\n');
    }
}

void options_print_help(const command_line *line)
{
    static const option help = {.kind = OPTION_FLAG, .letter = 'h', .name = "help", .help = "print this and stop"};
    printf("%sUsage:%s attn %s [OPTION]...%s%s\n\n", colour(stdout, COLOUR_HEADING), colour(stdout, COLOUR_PLAIN),
           line->command, line->operands ? " " : "", line->operands ? line->operands : "");
    print_wrapped(line->summary, 0, 0);
    if (line->details) printf("\n%s\n", line->details);
    print_heading("Options:");
    bool letter_taken = false;
    for (size_t i = 0; i < line->option_count; i++) {
        print_option(&line->options[i]);
        letter_taken |= line->options[i].letter == 'h';
    }
    option last = help;
    if (letter_taken) last.letter = 0;
    print_option(&last);
    if (line->examples) print_examples(line->examples);
}
