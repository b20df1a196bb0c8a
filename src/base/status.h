/* A failure's code and words: the code travels by return value, the words wait in a thread-local buffer. */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

#include "attn/attn.h"

/* Records the formatted message for this thread and returns `status`, so that a check reads
 * `if (bad) return status_fail(ATTN_ERROR_ARGUMENT, "D = %lld, expected at least 1", d);` */
attn_status status_fail(attn_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* This thread's last message; "" before the first failure. */
const char *status_message(void);

#endif
