/* The trainings that learn from pairs of texts, translation and summarization: one command line for all of them. */
#ifndef CLI_TRAIN_PAIRS_H
#define CLI_TRAIN_PAIRS_H

#include "options.h"
#include "train_options.h"

#include "attn/seq.h"

#define TRAIN_PAIRS_MOST_OWN 8

/* What differs. */
typedef struct pairs_training {
    const char *command; /* "train translate" */
    attn_status (*train)(const attn_seq_train_options *options);
    const char *summary, *details, *examples;
    const char *longest; /* what --max-length does, and its default */
    const option *own;   /* options of its own, at most TRAIN_PAIRS_MOST_OWN */
    size_t own_count;
    /* Once the line is parsed: stores what own's options mean, or tells wrong usage with options_refuse, whose 2 it
     * then returns, else -1. NULL: nothing to do. */
    int (*settle)(const command_line *line, bool resume, void *argument);
    void *argument;
    attn_seq_train_options *options; /* set up by init, as own's pointers may point into it */
} pairs_training;

/* What the details of every one of them end with: what becomes of DIR. */
#define TRAIN_PAIRS_DETAILS(command, opened_by, judge)                                                                 \
    "DIR becomes a Hugging Face directory (" opened_by " opens it) with the\n"                                         \
    "weights of the best validation, judged by " judge ". It also keeps checkpoint.safetensors,\n"                     \
    "written at the beginning, every five minutes, after every validation and on Ctrl-C:\n"                            \
    "whatever happens, `attn " command " --model DIR --resume` goes on from there, with\n"                             \
    "the options that the run was begun with, and gives the bits of an unbroken run (save\n"                           \
    "with --minutes, where the clock decides). When you will not go on, delete it.\n"                                  \
    "With --resume, another --format has the best model so far written again in it, also of\n"                         \
    "a run that is over.\n"                                                                                            \
    "\n"                                                                                                               \
    "--from begins with a model that was trained before, here or by transformers, and goes on\n"                       \
    "at --rate 0.00005 --warmup 20 --schedule flat unless told. Its sizes and tokenizer are kept;\n"                   \
    "dropout is its own unless said. DIR holds it whole from the beginning: --resume does not need\n"                  \
    "the other directory. With --valid it is validated before the first step too: where no step\n"                     \
    "makes it better DIR keeps it as it was, and a warning says so.\n"                                                 \
    "\n" TRAIN_EXIT_STATUS

/* Parses the command line and trains. The exit status. */
int train_pairs(const pairs_training *t, int argc, char **argv);

#endif
