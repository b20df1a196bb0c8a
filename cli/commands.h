/* The commands: one file each, cli/NAME.c, one row each in commands.c. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include <stddef.h>

/* argv[0] is the command's name. Returns the exit status: 0 done, 1 failed, 2 wrong usage. */
typedef int command_function(int argc, char **argv);

command_function command_classify;
command_function command_eval;
command_function command_explain;
command_function command_help;
command_function command_info;
command_function command_look;
command_function command_run;
command_function command_score;
command_function command_summarize;
command_function command_train;
command_function command_translate;

/* What `attn train` trains. */
command_function command_train_classify;
command_function command_train_summarize;
command_function command_train_translate;

typedef struct command {
    const char *name, *summary;
    command_function *run;
} command;

/* In the order in which the help lists them. */
extern const command command_table[];
extern const size_t command_count;

/* NULL when there is none of that name. */
const command *command_find(const char *name);

/* Tells that there is no such command, and which one may have been meant. Returns 2. */
int command_unknown(const char *name);

#endif
