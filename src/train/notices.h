/* Words for whoever watches a run: what was read, left out, made; one sentence each. */
#ifndef TRAIN_NOTICES_H
#define TRAIN_NOTICES_H

typedef struct notice_sink {
    void (*tell)(void *argument, const char *message);
    void *argument;
} notice_sink;

/* At most 511 bytes; the rest is cut. */
void notice_tell(notice_sink n, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
