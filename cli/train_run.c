#include "train_run.h"

#include "failure.h"
#include "train_progress.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static volatile sig_atomic_t stop_signal;

static void note_signal(int number)
{
    stop_signal = number;
}

/* The first Ctrl-C or SIGTERM asks for a checkpoint; a second one ends the process at once. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = note_signal, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static bool asked_to_stop(void *argument)
{
    (void)argument;
    return stop_signal != 0;
}

static int tell_end(const train_run *run, attn_status status)
{
    const char *model = run->options->model;
    if (status == ATTN_ERROR_INTERRUPTED) {
        fprintf(stderr, "attn %s: %s\nGo on with: attn %s --model %s --resume\n", run->command, attn_seq_error(),
                run->command, model);
        return 128 + (int)stop_signal;
    }
    bool exists = status == ATTN_ERROR_ARGUMENT && strstr(attn_seq_error(), ": exists; ");
    if (status != ATTN_OK) failure_of_library(run->command);
    if (exists) fputs("--resume goes on with that run, --force begins anew and loses it.\n", stderr);
    if (status != ATTN_OK) return 1;
    if (!run->quiet && !run->json)
        fprintf(stderr, "The model is in %s. Try it: echo ... | attn %s --model %s\n", model, run->use, model);
    return 0;
}

int train_run_go(const train_run *run)
{
    train_progress shown = {.style = run->quiet ? PROGRESS_NONE : run->json ? PROGRESS_JSON : PROGRESS_PEOPLE};
    attn_seq_train_options *o = run->options;
    o->start = run->resume ? ATTN_SEQ_TRAIN_RESUME : run->force ? ATTN_SEQ_TRAIN_REPLACE : ATTN_SEQ_TRAIN_NEW;
    o->progress = train_progress_show;
    o->stop = asked_to_stop;
    o->argument = &shown;
    catch_signals();
    attn_status status = run->train(o);
    train_progress_end(&shown);
    return tell_end(run, status);
}
