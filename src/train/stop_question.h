/* Whether the run should end: asked between pieces of work. */
#ifndef TRAIN_STOP_QUESTION_H
#define TRAIN_STOP_QUESTION_H

#include <stdbool.h>

/* ask may be NULL: never. */
typedef struct stop_question {
    bool (*ask)(void *argument);
    void *argument;
} stop_question;

static inline bool stop_asked(stop_question q)
{
    return q.ask && q.ask(q.argument);
}

#endif
