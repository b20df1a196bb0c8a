#include "train_progress.h"

#include "failure.h"
#include "json.h"
#include "message.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

/* Seconds between two shown steps. */
#define BAR_EVERY 0.2
#define LOG_EVERY 15.0
#define JSON_EVERY 5.0

#define BAR_CELLS 24

/* A name as JSON fields have them: "ROUGE-L" as rouge_l. */
static void print_name(const char *name)
{
    for (; *name; name++) putchar(isalnum((unsigned char)*name) ? tolower((unsigned char)*name) : '_');
}

void train_progress_print_number(const char *before, const char *name, const char *after, double value)
{
    printf(", \"%s", before);
    print_name(name);
    printf("%s\": ", after);
    json_number(stdout, value);
}

static void print_numbers(const attn_seq_train_progress *p)
{
    printf(", \"step\": %lld", (long long)p->step);
    train_progress_print_number("", "steps", "", p->steps > 0 ? (double)p->steps : NAN);
    train_progress_print_number("", "epoch", "", p->epoch);
    train_progress_print_number("", "loss", "", p->loss);
    train_progress_print_number("", "rate", "", p->rate);
    train_progress_print_number("", p->unit, "_per_second", p->units_per_second);
    train_progress_print_number("", "seconds", "", p->seconds);
    train_progress_print_number("", "remaining", "", p->remaining);
    train_progress_print_number("valid_", "loss", "", p->valid_loss);
    for (int i = 0; i < p->valid_score_count; i++)
        train_progress_print_number("valid_", p->valid_scores[i].name, "", p->valid_scores[i].value);
}

static void print_json(const attn_seq_train_progress *p)
{
    static const char *const names[] = {"notice", "step", "validated", "saved"};
    printf("{\"event\": \"%s\"", names[p->event]);
    if (p->message) {
        fputs(", \"message\": ", stdout);
        json_string(stdout, p->message);
    }
    if (p->event != ATTN_SEQ_TRAIN_NOTICE) print_numbers(p);
    if (p->event == ATTN_SEQ_TRAIN_VALIDATED) printf(", \"best\": %s", p->best ? "true" : "false");
    puts("}");
    failure_flush_output();
}

/* "1 h 05 min", "12 min", "40 s". */
static void print_duration(double seconds)
{
    long long s = (long long)(seconds + 0.5);
    if (s >= 3600)
        fprintf(stderr, "%lld h %02lld min", s / 3600, s / 60 % 60);
    else if (s >= 120)
        fprintf(stderr, "%lld min", (s + 30) / 60);
    else
        fprintf(stderr, "%lld s", s);
}

static void print_figures(const attn_seq_train_progress *p)
{
    fprintf(stderr, "step %lld", (long long)p->step);
    if (p->steps > 0) fprintf(stderr, "/%lld", (long long)p->steps);
    fprintf(stderr, "  epoch %.2f  loss %.3f  %.0f %s/s  ", p->epoch, p->loss, p->units_per_second, p->unit);
    print_duration(p->remaining);
    fputs(" left", stderr);
}

static void print_bar(const attn_seq_train_progress *p)
{
    double done = p->seconds / fmax(p->seconds + p->remaining, 1e-9);
    int full = (int)(done * BAR_CELLS);
    fputs("\r[", stderr);
    for (int i = 0; i < BAR_CELLS; i++) fputc(i < full ? '#' : '.', stderr);
    fprintf(stderr, "] %3.0f%%  ", 100 * done);
    print_figures(p);
    fputs("\x1b[K", stderr); /* what was longer before is wiped */
    fflush(stderr);
}

static void print_validated(const attn_seq_train_progress *p)
{
    fprintf(stderr, "step %lld  ", (long long)p->step);
    if (isnan(p->valid_loss)) {
        fputs("saved\n", stderr);
        return;
    }
    fprintf(stderr, "validation loss %.4f", p->valid_loss);
    for (int i = 0; i < p->valid_score_count; i++)
        fprintf(stderr, "  %s %.2f", p->valid_scores[i].name, p->valid_scores[i].value);
    fputs(p->best ? "  best so far, saved\n" : "\n", stderr);
}

static bool worth_showing(train_progress *shown, const attn_seq_train_progress *p, double every)
{
    if (shown->begun && p->seconds - shown->shown_at < every) return false;
    shown->begun = true;
    shown->shown_at = p->seconds;
    return true;
}

void train_progress_show(void *argument, const attn_seq_train_progress *p)
{
    train_progress *shown = argument;
    if (shown->style == PROGRESS_NONE) return;
    bool terminal = isatty(STDERR_FILENO);
    double every = shown->style == PROGRESS_JSON ? JSON_EVERY : terminal ? BAR_EVERY : LOG_EVERY;
    bool step = p->event == ATTN_SEQ_TRAIN_STEP;
    if (step && !worth_showing(shown, p, every)) return;
    if (shown->style == PROGRESS_JSON) {
        print_json(p);
        return;
    }
    if (step && terminal) {
        print_bar(p);
        shown->on_bar = true;
        return;
    }
    if (p->event == ATTN_SEQ_TRAIN_SAVED) return;
    train_progress_end(shown);
    if (p->event == ATTN_SEQ_TRAIN_NOTICE) message_tell("%s", p->message);
    if (p->event == ATTN_SEQ_TRAIN_VALIDATED) print_validated(p);
    if (!step) return;
    print_figures(p);
    fputc('\n', stderr);
}

void train_progress_end(train_progress *shown)
{
    if (shown->on_bar) fputs("\r\x1b[K", stderr);
    shown->on_bar = false;
}
