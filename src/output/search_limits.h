/* What a search may write, beyond what is probable, and for how long. */
#ifndef OUTPUT_SEARCH_LIMITS_H
#define OUTPUT_SEARCH_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

/* When a sequence's search ends, which it always does where nothing that goes on can get among the n best any more. The
 * first two are what transformers does where early_stopping is true and false, the last where it is "never". */
typedef enum search_stopping {
    STOPPING_FULL,   /* when as many hypotheses have ended as the beam is wide */
    STOPPING_LIKELY, /* when, besides, none that goes on is better, at the length that it has, than the worst of them */
    STOPPING_SURE    /* not before */
} search_stopping;

/* All zero: anything. Lengths and n-grams count the start id. */
typedef struct search_limits {
    bool forces_first; /* the first token is first_id, with probability 1 */
    int32_t first_id;
    bool forces_last; /* the token that makes a length of last_length is last_id, likewise */
    int32_t last_id;
    int64_t last_length;
    int64_t min_length;      /* no </s> while fewer ids are there */
    int64_t distinct_ngrams; /* no n-gram of this size is written twice; 0: any may be */
    search_stopping stopping;
} search_limits;

#endif
