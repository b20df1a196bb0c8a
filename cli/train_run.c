#include "train_run.h"

#include "failure.h"
#include "message.h"
#include "train_progress.h"

#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static volatile sig_atomic_t stop_signal;

static void note_signal(int number)
{
    if (!stop_signal) stop_signal = number;
}

/* A signal that comes more than once for one reason; nohup's stays ignored. */
static void catch_lasting(int number)
{
    struct sigaction action = {.sa_handler = note_signal}, before;
    sigemptyset(&action.sa_mask);
    if (sigaction(number, NULL, &before) == 0 && before.sa_handler != SIG_IGN) sigaction(number, &action, NULL);
}

/* The first Ctrl-C or SIGTERM asks for a checkpoint; a second one ends the process at once. So does a terminal that is
 * closed, or a reader of what is told that is gone: Ctrl-C ends the `tee` behind a run before the run. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = note_signal, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    catch_lasting(SIGHUP);
    catch_lasting(SIGPIPE);
}

static bool asked_to_stop(void *argument)
{
    (void)argument;
    return stop_signal != 0;
}

/* The option that sets a field of attn_seq_train_options. */
static void print_option(FILE *f, const char *field, size_t length, const char *targets)
{
    static const char *const others[][2] = {
        {"width", "dim"}, {"vocabulary", "vocab"}, {"longest", "max-length"}, {"feeding", "input-feeding"}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (strlen(others[i][0]) != length || strncmp(others[i][0], field, length) != 0) continue;
        fprintf(f, "--%s", others[i][1]);
        return;
    }
    static const char ending[] = "_target";
    const size_t cut = sizeof ending - 1;
    const bool is_target = length > cut && !strncmp(field + length - cut, ending, cut);
    fputs("--", f);
    for (size_t i = 0; i < (is_target ? length - cut : length); i++) fputc(field[i] == '_' ? '-' : field[i], f);
    if (is_target) fprintf(f, "-%s", targets);
}

/* The number of a choice as its word: what follows it. Other fields' are left to be printed. */
static const char *print_choice(FILE *f, const char *field, size_t length, const char *value)
{
    static const struct {
        const char *field;
        const char *const *words;
    } choices[] = {
        {"arch", train_arch_names},       {"attention", train_attention_names}, {"schedule", train_schedule_names},
        {"compute", train_compute_names}, {"format", train_format_names},
    };
    const char *const *words = NULL;
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++)
        if (strlen(choices[i].field) == length && !strncmp(choices[i].field, field, length)) words = choices[i].words;
    char *end;
    long number = strtol(value, &end, 10);
    if (!words || end == value || number < 0) return value;
    while (number > 0 && *words) words++, number--;
    if (!*words) return value;
    fputs(*words, f);
    return end;
}

static size_t field_at(const char *message)
{
    const size_t length = strspn(message, "abcdefghijklmnopqrstuvwxyz_");
    return strncmp(message + length, " = ", 3) ? 0 : length;
}

/* The library's message, its fields as options. */
static void print_failure(FILE *f, const char *at, const char *targets)
{
    for (bool begins = true; *at; begins = at[-1] == ' ') {
        const size_t field = begins ? field_at(at) : 0;
        if (!field) {
            fputc(*at++, f);
            continue;
        }
        print_option(f, at, field, targets);
        fputs(" = ", f);
        at = print_choice(f, at, field, at + field + 3);
    }
}

/* Of a value the library names the field, the command the option: wrong usage, save where it is another one than the
 * run was begun with. */
static int tell_failure(const train_run *run)
{
    char *text = NULL;
    size_t size;
    FILE *f = field_at(attn_seq_error()) ? open_memstream(&text, &size) : NULL;
    if (!f) return failure_of_library(run->command);
    print_failure(f, attn_seq_error(), run->targets);
    if (fclose(f) == 0)
        failure(run->command, "%s", text);
    else
        failure_of_library(run->command);
    free(text);
    return run->choices.resume ? 1 : 2;
}

/* The same, and the way out where the directory holds a run already. */
static int tell_refusal(const train_run *run, attn_status status, const char *way_out)
{
    const bool exists = status == ATTN_ERROR_ARGUMENT && strstr(attn_seq_error(), ": exists; ");
    const int failed = tell_failure(run);
    if (exists) fputs(way_out, stderr);
    return failed;
}

/* With an input such as the model takes: what it learnt from has the answers beside it. */
static void tell_use(const char *model)
{
    static const char *const uses[] = {"echo 'some text' | attn translate", "echo TEXT | attn summarize",
                                       "echo 'some text' | attn classify", "attn classify IMAGE.png",
                                       "attn classify RECORDING.wav"};
    attn_seq_task task;
    if (attn_seq_model_task(model, &task) == ATTN_OK)
        message_tell("The model is in %s. Try it: %s --model %s", model, uses[task], model);
}

static int tell_end(const train_run *run, attn_status status)
{
    const char *model = run->options->model;
    if (status == ATTN_ERROR_INTERRUPTED) {
        message_tell("attn %s: %s", run->command, attn_seq_error());
        message_tell("Go on with: attn %s --model %s --resume", run->command, model);
        return 128 + (int)stop_signal;
    }
    if (status != ATTN_OK)
        return tell_refusal(run, status, "--resume goes on with that run, --force begins anew and loses it.\n");
    if (!run->choices.quiet && !run->choices.json) tell_use(model);
    return 0;
}

/* A run that is watched. */
typedef struct watched_run {
    train_progress shown;
    attn_seq_train_progress last;
} watched_run;

static void watch(void *argument, const attn_seq_train_progress *p)
{
    watched_run *w = argument;
    w->last = *p;
    train_progress_show(&w->shown, p);
}

static attn_status go(const train_run *run, watched_run *w)
{
    attn_seq_train_options *o = run->options;
    w->shown = (train_progress){.style = run->choices.quiet  ? PROGRESS_NONE
                                         : run->choices.json ? PROGRESS_JSON
                                                             : PROGRESS_PEOPLE};
    o->start = run->choices.resume  ? ATTN_SEQ_TRAIN_RESUME
               : run->choices.force ? ATTN_SEQ_TRAIN_REPLACE
                                    : ATTN_SEQ_TRAIN_NEW;
    o->progress = watch;
    o->stop = asked_to_stop;
    o->argument = w;
    catch_signals();
    attn_status status = run->train(o);
    train_progress_end(&w->shown);
    return status;
}

/* --from NAME is found as --model NAME of the other commands is. A run that goes on needs that model no more. */
static int find_from(const train_run *run, char **directory)
{
    attn_seq_train_options *o = run->options;
    *directory = NULL;
    if (!o->from) return 0;
    if (attn_seq_model_find(o->from, ATTN_SEQ_TASK_ANY, directory) == ATTN_OK)
        o->from = *directory;
    else if (!run->choices.resume)
        return failure_of_library(run->command);
    return 0;
}

int train_run_go(const train_run *run)
{
    watched_run w;
    char *from;
    const int failed = find_from(run, &from);
    if (failed) return failed;
    const int status = tell_end(run, go(run, &w));
    attn_seq_free(from);
    return status;
}

/* Sums over the folds, for mean and deviation. */
typedef struct fold_sums {
    double sum[ATTN_SEQ_TRAIN_SCORES], squares[ATTN_SEQ_TRAIN_SCORES];
} fold_sums;

static void add_fold(const train_run *run, int64_t fold, const attn_seq_train_progress *last, fold_sums *sums)
{
    printf(run->choices.json ? "{\"event\": \"fold\", \"fold\": %" PRId64 : "fold %" PRId64, fold);
    for (int i = 0; i < last->valid_score_count; i++) {
        const attn_seq_train_score s = last->valid_scores[i];
        sums->sum[i] += s.value;
        sums->squares[i] += s.value * s.value;
        if (run->choices.json)
            train_progress_print_number("", s.name, "", s.value);
        else
            printf("  %s %.2f", s.name, s.value);
    }
    puts(run->choices.json ? "}" : "");
    failure_flush_output();
}

/* The deviation is that of the folds' scores, not of their mean. */
static void print_mean(const train_run *run, int64_t folds, const attn_seq_train_progress *last, const fold_sums *sums)
{
    printf(run->choices.json ? "{\"event\": \"folds\", \"folds\": %" PRId64 : "mean of %" PRId64 " folds", folds);
    for (int i = 0; i < last->valid_score_count; i++) {
        const char *name = last->valid_scores[i].name;
        const double n = (double)folds, mean = sums->sum[i] / n;
        const double deviation = sqrt(fmax(0, sums->squares[i] - n * mean * mean) / fmax(1, n - 1));
        if (!run->choices.json) {
            printf("  %s %.2f (deviation %.2f)", name, mean, deviation);
            continue;
        }
        train_progress_print_number("", name, "", mean);
        train_progress_print_number("", name, "_deviation", deviation);
    }
    puts(run->choices.json ? "}" : "");
}

static int tell_end_of_fold(const train_run *run, attn_status status)
{
    if (status != ATTN_ERROR_INTERRUPTED)
        return tell_refusal(run, status, "--force begins every fold anew and loses what is there.\n");
    message_tell("attn %s: %s", run->command, attn_seq_error());
    return 128 + (int)stop_signal;
}

static int go_through_folds(const train_run *run, int64_t folds)
{
    watched_run w = {0};
    fold_sums sums = {0};
    const char *directory = run->options->model;
    const attn_seq_train_options said = *run->options;
    for (int64_t fold = 0; fold < folds; fold++) {
        char model[4096];
        if (snprintf(model, sizeof model, "%s/fold-%" PRId64, directory, fold) >= (int)sizeof model)
            return failure(run->command, "%.60s...: the path is too long", directory);
        *run->options = said;
        run->options->model = model;
        run->options->folds = folds;
        run->options->fold = fold;
        run->options->patience = 0;
        attn_status status = go(run, &w);
        if (status != ATTN_OK) return tell_end_of_fold(run, status);
        add_fold(run, fold, &w.last, &sums);
    }
    print_mean(run, folds, &w.last, &sums);
    return 0;
}

int train_run_folds(const train_run *run, int64_t folds)
{
    char *from;
    const int failed = find_from(run, &from);
    if (failed) return failed;
    const int status = go_through_folds(run, folds);
    attn_seq_free(from);
    return status;
}
