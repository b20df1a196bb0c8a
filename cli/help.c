#include "colour.h"
#include "commands.h"

#include <stdio.h>
#include <stdlib.h>

static void print_overview(void)
{
    const char *strong = colour(stdout, COLOUR_STRONG), *heading = colour(stdout, COLOUR_HEADING);
    const char *plain = colour(stdout, COLOUR_PLAIN);
    printf("%sUsage:%s attn COMMAND [OPTION]... [FILE]...\n\n"
           "Attention on the CPU: models of text, images and sound, trained, run and looked into.\n\n"
           "%sCommands:%s\n",
           heading, plain, heading, plain);
    for (size_t i = 0; i < command_count; i++)
        printf("  %s%-10s%s %s\n", strong, command_table[i].name, plain, command_table[i].summary);
    printf("\n%sOptions:%s\n"
           "  %s-h, --help%s  print this and stop\n"
           "  %s--version%s   print the version and stop\n\n"
           "\"attn COMMAND --help\" tells about one command.\n"
           "Exit status: 0 done, 1 failed, 2 wrong usage. Colours only on a terminal, none with NO_COLOR set.\n",
           heading, plain, strong, plain, strong, plain);
}

/* `attn help train translate` is `attn train translate --help`. */
int command_help(int argc, char **argv)
{
    if (argc < 2 || argv[1][0] == '-') {
        print_overview();
        return 0;
    }
    const command *asked = command_find(argv[1]);
    if (!asked) return command_unknown(argv[1]);
    if (asked->run == command_help) {
        print_overview();
        return 0;
    }
    char **line = malloc(((size_t)argc + 1) * sizeof *line);
    if (!line) {
        fputs("attn help: no memory\n", stderr);
        return 1;
    }
    for (int i = 1; i < argc; i++) line[i - 1] = argv[i];
    line[argc - 1] = "--help";
    line[argc] = NULL;
    int status = asked->run(argc, line);
    free(line);
    return status;
}
