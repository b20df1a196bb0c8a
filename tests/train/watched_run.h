/* A run of training in a directory of the test's own, and what it tells while it goes. */
#ifndef TESTS_WATCHED_RUN_H
#define TESTS_WATCHED_RUN_H

#include "../scratch.h"

#include "attn/seq.h"

/* What a run tells, and when it is asked to stop: 0 never, -1 at once. */
typedef struct watcher {
    attn_seq_train_progress last;
    int64_t stop_at, validations, saves;
    char notices[4096];
} watcher;

static inline void watch(void *argument, const attn_seq_train_progress *p)
{
    watcher *w = argument;
    w->last = *p;
    w->validations += p->event == ATTN_SEQ_TRAIN_VALIDATED;
    w->saves += p->event == ATTN_SEQ_TRAIN_SAVED;
    if (p->message) strncat(w->notices, p->message, sizeof w->notices - strlen(w->notices) - 1);
}

static inline bool stop(void *argument)
{
    const watcher *w = argument;
    return w->stop_at != 0 && w->last.step >= w->stop_at;
}

/* Watched from the beginning, nothing else said. */
static inline attn_seq_train_options watched(const char *model, watcher *w)
{
    attn_seq_train_options o;
    attn_seq_train_options_init(&o);
    o.model = scratch_path(model);
    o.progress = watch;
    o.stop = stop;
    o.argument = w;
    return o;
}

static inline attn_seq_train_options resumed(const char *model, watcher *w)
{
    attn_seq_train_options o = watched(model, w);
    o.start = ATTN_SEQ_TRAIN_RESUME;
    return o;
}

#endif
