#include "commands.h"

#include "message.h"
#include "suggestion.h"

#include <stdio.h>
#include <string.h>

const command command_table[] = {
    {"translate", "translate each line of a file or of standard input", command_translate},
    {"summarize", "sum up each line of a file or of standard input", command_summarize},
    {"classify", "tell the label of texts, images or recordings", command_classify},
    {"score", "print the log-probability of given translations", command_score},
    {"eval", "run a model on a test set and score it: BLEU, chrF, ROUGE, accuracy, macro-F1", command_eval},
    {"train", "train a model", command_train},
    {"look", "write a page on which to look at a model's attention", command_look},
    {"explain", "show the steps of attention on small matrices", command_explain},
    {"run", "compute the attention operator on arrays in npy files", command_run},
    {"info", "tell what was found: processor, instruction sets, models", command_info},
    {"help", "tell what a command does and which options it takes", command_help},
};

const size_t command_count = sizeof command_table / sizeof *command_table;

const command *command_find(const char *name)
{
    for (size_t i = 0; i < command_count; i++)
        if (!strcmp(command_table[i].name, name)) return &command_table[i];
    return NULL;
}

int command_unknown(const char *name)
{
    suggestion nearest = suggestion_for(name, strlen(name));
    for (size_t i = 0; i < command_count; i++) suggestion_offer(&nearest, command_table[i].name);
    fputs("attn: unknown command \"", stderr);
    message_print_text(stderr, name);
    fputc('"', stderr);
    if (nearest.word) fprintf(stderr, "; did you mean \"%s\"?", nearest.word);
    fputs("\nTry \"attn --help\".\n", stderr);
    return 2;
}
