#include "commands.h"
#include "message.h"
#include "suggestion.h"

#include <stdio.h>
#include <string.h>

static const command table[] = {
    {"translate", "a translator, from sentence pairs", command_train_translate},
    {"summarize", "a summarizer, from texts and their summaries", command_train_summarize},
    {"classify", "a classifier of texts, images or recordings, from labelled examples", command_train_classify},
};
static const size_t count = sizeof table / sizeof *table;

static int overview(void)
{
    puts("Usage: attn train WHAT [OPTION]...\n"
         "\n"
         "Trains a model.\n");
    for (size_t i = 0; i < count; i++) printf("  %-10s %s\n", table[i].name, table[i].summary);
    puts("\n"
         "\"attn train WHAT --help\" tells more.");
    return 0;
}

/* "translate, summarize or classify" */
static void name_all(FILE *out)
{
    for (size_t i = 0; i < count; i++) fprintf(out, "%s%s", i == 0 ? "" : i + 1 < count ? ", " : " or ", table[i].name);
}

static int unknown(const char *name)
{
    suggestion nearest = suggestion_for(name, strlen(name));
    for (size_t i = 0; i < count; i++) suggestion_offer(&nearest, table[i].name);
    fputs("attn train: \"", stderr);
    message_print_text(stderr, name);
    fputs("\" is nothing that it trains, expected ", stderr);
    name_all(stderr);
    if (nearest.word) fprintf(stderr, "; did you mean \"%s\"?", nearest.word);
    fputs("\nTry \"attn train --help\".\n", stderr);
    return 2;
}

int command_train(int argc, char **argv)
{
    if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) return overview();
    if (argc < 2 || argv[1][0] == '-') {
        fputs("attn train: say what to train: ", stderr);
        name_all(stderr);
        fputs("\nTry \"attn train --help\".\n", stderr);
        return 2;
    }
    for (size_t i = 0; i < count; i++) {
        if (!strcmp(argv[1], table[i].name)) return table[i].run(argc - 1, argv + 1);
    }
    return unknown(argv[1]);
}
