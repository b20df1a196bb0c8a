#include "options.h"

#include "message.h"
#include "suggestion.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const option help_option = {.kind = OPTION_FLAG, .letter = 'h', .name = "help"};

option option_flag(char letter, const char *name, bool *into, const char *help)
{
    return (option){.kind = OPTION_FLAG, .letter = letter, .name = name, .into = into, .help = help};
}

option option_int(char letter, const char *name, const char *value, int64_t *into, int64_t least, int64_t most,
                  const char *help)
{
    return (option){.kind = OPTION_INT,
                    .letter = letter,
                    .name = name,
                    .value = value,
                    .into = into,
                    .least = least,
                    .most = most,
                    .help = help};
}

option option_float(char letter, const char *name, const char *value, double *into, double low, double high,
                    const char *help)
{
    return (option){.kind = OPTION_FLOAT,
                    .letter = letter,
                    .name = name,
                    .value = value,
                    .into = into,
                    .low = low,
                    .high = high,
                    .help = help};
}

option option_string(char letter, const char *name, const char *value, const char **into, const char *help)
{
    return (option){
        .kind = OPTION_STRING, .letter = letter, .name = name, .value = value, .into = (void *)into, .help = help};
}

option option_choice(char letter, const char *name, int *into, const char *const *choices, const char *help)
{
    return (option){
        .kind = OPTION_CHOICE, .letter = letter, .name = name, .into = into, .choices = choices, .help = help};
}

int options_refuse(const command_line *line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "attn %s: ", line->command);
    message_print(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nTry \"attn %s --help\".\n", line->command);
    return 2;
}

bool options_read_int(const char *text, int64_t *number)
{
    char *end = (char *)text;
    errno = EINVAL;
    if (*text != '-' && *text != '+' && (*text < '0' || *text > '9')) return false;
    errno = 0;
    long long read = strtoll(text, &end, 10);
    if (end == text || *end) errno = EINVAL;
    *number = read;
    return !errno;
}

bool options_read_float(const char *text, double *number)
{
    /* strtod follows the locale's decimal sign; a command line means the same everywhere. */
    static locale_t plain;
    if (!plain) plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!plain || !*text || strchr(" \t\n\v\f\r", *text)) return false;
    char *end;
    double read = strtod_l(text, &end, plain);
    if (end == text || *end || !isfinite(read)) return false;
    *number = read;
    return true;
}

static int refuse_choice(const command_line *line, const option *o, const char *text)
{
    char list[512] = "";
    for (int i = 0; o->choices[i]; i++) {
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s",
                 i == 0              ? ""
                 : o->choices[i + 1] ? ", "
                                     : " or ",
                 o->choices[i]);
    }
    return options_refuse(line, "--%s: \"%s\", expected %s", o->name, text, list);
}

/* Checks text as a value of o and, when store is set, keeps it. -1 when it is fine. */
static int take_value(const command_line *line, const option *o, const char *text, bool store)
{
    int64_t whole;
    double real;
    bool fits;
    switch (o->kind) {
    case OPTION_FLAG:
        if (store) *(bool *)o->into = true;
        return -1;
    case OPTION_INT:
        fits = options_read_int(text, &whole);
        if (!fits && errno != ERANGE)
            return options_refuse(line, "--%s: \"%s\" is not a whole number, expected %lld to %lld", o->name, text,
                                  (long long)o->least, (long long)o->most);
        if (!fits || whole < o->least || whole > o->most)
            return options_refuse(line, "--%s: %s is out of range, expected %lld to %lld", o->name, text,
                                  (long long)o->least, (long long)o->most);
        if (store) *(int64_t *)o->into = whole;
        return -1;
    case OPTION_FLOAT:
        if (!options_read_float(text, &real))
            return options_refuse(line, "--%s: \"%s\" is not a number, expected %g to %g", o->name, text, o->low,
                                  o->high);
        if (real < o->low || real > o->high)
            return options_refuse(line, "--%s: %s is out of range, expected %g to %g", o->name, text, o->low, o->high);
        if (store) *(double *)o->into = real;
        return -1;
    case OPTION_STRING:
        if (!*text) return options_refuse(line, "--%s: \"\", expected %s", o->name, o->value);
        if (store) *(const char **)o->into = text;
        return -1;
    case OPTION_CHOICE:
        for (int i = 0; o->choices[i]; i++) {
            if (strcmp(o->choices[i], text)) continue;
            if (store) *(int *)o->into = i;
            return -1;
        }
        return refuse_choice(line, o, text);
    }
    return -1;
}

static const option *find_long(const command_line *line, const char *name, size_t length)
{
    if (length == 4 && !strncmp(name, "help", 4)) return &help_option;
    for (size_t i = 0; i < line->option_count; i++)
        if (strlen(line->options[i].name) == length && !strncmp(line->options[i].name, name, length))
            return &line->options[i];
    return NULL;
}

static const option *find_letter(const command_line *line, char letter)
{
    for (size_t i = 0; i < line->option_count; i++)
        if (line->options[i].letter == letter) return &line->options[i];
    return letter == 'h' ? &help_option : NULL;
}

static int refuse_unknown(const command_line *line, const char *name, size_t length)
{
    suggestion nearest = suggestion_for(name, length);
    for (size_t i = 0; i < line->option_count; i++) suggestion_offer(&nearest, line->options[i].name);
    suggestion_offer(&nearest, help_option.name);
    if (nearest.word)
        return options_refuse(line, "unknown option \"--%.*s\"; did you mean \"--%s\"?", (int)length, name,
                              nearest.word);
    return options_refuse(line, "unknown option \"--%.*s\"", (int)length, name);
}

/* The walk over argv, done twice: first to check all and to see --help, then to store. */
typedef struct walk {
    const command_line *line;
    char **argv;
    int argc, at;
    bool store, help;
} walk;

/* The value of o from the next argument. */
static int next_value(walk *w, const option *o)
{
    if (w->at + 1 >= w->argc)
        return options_refuse(w->line, "--%s: the value%s%s is missing", o->name, o->value ? " " : "",
                              o->value ? o->value : "");
    const char *text = w->argv[w->at + 1];
    if (o->kind == OPTION_STRING && !strncmp(text, "--", 2) && text[2])
        return options_refuse(w->line,
                              "--%s: the value %s is missing (\"%s\" looks like an option; --%s=%s would take it)",
                              o->name, o->value, text, o->name, text);
    w->at++;
    return take_value(w->line, o, text, w->store);
}

static int take_long(walk *w, const char *name)
{
    size_t length = strcspn(name, "=");
    const option *o = find_long(w->line, name, length);
    if (!o) return refuse_unknown(w->line, name, length);
    const char *value = name[length] ? name + length + 1 : NULL;
    if (o->kind != OPTION_FLAG) return value ? take_value(w->line, o, value, w->store) : next_value(w, o);
    if (value) return options_refuse(w->line, "--%s takes no value, but got \"%s\"", o->name, value);
    if (o == &help_option) w->help = true;
    return take_value(w->line, o, NULL, w->store && o->into);
}

static int take_letters(walk *w, const char *letters)
{
    for (; *letters; letters++) {
        const option *o = find_letter(w->line, *letters);
        if (!o) return options_refuse(w->line, "unknown option \"-%s\"", letters);
        if (o->kind != OPTION_FLAG)
            return letters[1] ? take_value(w->line, o, letters + 1, w->store) : next_value(w, o);
        if (o == &help_option) w->help = true;
        take_value(w->line, o, NULL, w->store && o->into);
    }
    return -1;
}

/* Moves operands to the front of argv + 1 when storing; counts them always. */
static int walk_line(walk *w, int *operands)
{
    *operands = 0;
    bool only_operands = false;
    for (w->at = 1; w->at < w->argc && !w->help; w->at++) {
        char *word = w->argv[w->at];
        if (only_operands || word[0] != '-' || !word[1]) {
            if (!word[0] && w->line->operands)
                return options_refuse(w->line, "an operand is \"\", expected %s", w->line->operands);
            ++*operands;
            if (w->store) w->argv[*operands] = word;
            continue;
        }
        if (!strcmp(word, "--")) {
            only_operands = true;
            continue;
        }
        int stop = word[1] == '-' ? take_long(w, word + 2) : take_letters(w, word + 1);
        if (stop >= 0) return stop;
    }
    return -1;
}

static int check_operands(const command_line *line, int count)
{
    if (count >= line->least_operands && count <= line->most_operands) return -1;
    if (line->most_operands)
        return options_refuse(line, "%d operand%s given, expected %s", count, plural(count), line->operands);
    return options_refuse(line, "takes options only, but got %d operand%s", count, plural(count));
}

int options_parse(const command_line *line, int argc, char **argv, char ***operands, int *operand_count)
{
    walk w = {.line = line, .argv = argv, .argc = argc};
    int stop = walk_line(&w, operand_count);
    if (w.help) {
        options_print_help(line);
        return 0;
    }
    if (stop < 0) stop = check_operands(line, *operand_count);
    if (stop >= 0) return stop;
    w.store = true;
    walk_line(&w, operand_count);
    *operands = argv + 1;
    return -1;
}
