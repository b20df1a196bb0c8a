/* The failure of a task that ran on another thread, brought to the caller's: messages are kept by thread. */
#ifndef MODEL_TASK_OUTCOME_H
#define MODEL_TASK_OUTCOME_H

#include "base/status.h"

#include <stdio.h>

/* One for each task. */
typedef struct task_outcome {
    attn_status status;
    char message[256];
} task_outcome;

/* To be called on the task's thread. */
static inline void task_outcome_set(task_outcome *o, attn_status status)
{
    o->status = status;
    if (status) snprintf(o->message, sizeof o->message, "%s", status_message());
}

/* The failure of the lowest task, so that it does not depend on the order of work. */
static inline attn_status task_outcomes_first(const task_outcome *o, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        if (o[i].status) return status_fail(o[i].status, "%s", o[i].message);
    }
    return ATTN_OK;
}

#endif
