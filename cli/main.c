#include "commands.h"
#include "failure.h"
#include "message.h"
#include "suggestion.h"

#include "attn/attn.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static int refuse_option(const char *given)
{
    const char *const own[] = {"--version", "--help"};
    suggestion nearest = suggestion_for(given, strlen(given));
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) suggestion_offer(&nearest, own[i]);
    fprintf(stderr, "attn: unknown option \"");
    message_print_text(stderr, given);
    if (nearest.word)
        fprintf(stderr, "\"; did you mean \"%s\"?", nearest.word);
    else
        fputs("\"; options come after the command", stderr);
    fputs("\nTry \"attn --help\".\n", stderr);
    return 2;
}

static int run(int argc, char **argv)
{
    if (argc < 2) {
        command_help(1, argv);
        return 2;
    }
    if (!strcmp(argv[1], "--version")) {
        printf("attn %s\n", attn_version());
        return 0;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) return command_help(1, argv);
    if (argv[1][0] == '-') return refuse_option(argv[1]);
    const command *asked = command_find(argv[1]);
    return asked ? asked->run(argc - 1, argv + 1) : command_unknown(argv[1]);
}

int main(int argc, char **argv)
{
    signal(SIGXFSZ, SIG_IGN); /* a file over `ulimit -f` is told like a full disk, and leaves no half of it */
    int status = run(argc, argv);
    /* An answer that did not arrive whole (a full disk) is a failure, whatever the command thought. */
    return status ? status : failure_of_output(argc > 1 ? argv[1] : "help");
}
