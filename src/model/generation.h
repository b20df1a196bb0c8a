/* How a model likes to be decoded: generation_config.json, or the same fields of config.json where there is none. */
#ifndef MODEL_GENERATION_H
#define MODEL_GENERATION_H

#include "output/search.h"

/* What lets transformers' beam search end: early_stopping, which it takes for false where it is absent. The search here
 * always ends as with true, so that models that are made here say true; what another model says is kept for the models
 * that begin with it. */
typedef enum generation_stopping { STOPPING_ABSENT, STOPPING_FALSE, STOPPING_TRUE, STOPPING_NEVER } generation_stopping;

typedef struct generation_settings {
    int64_t beam;          /* num_beams; 5 where it is absent */
    double length_penalty; /* 1 where it is absent */
    int64_t max_length;    /* ids of a target, the start's among them; 0: as many as there are positions */
    search_limits limits;  /* its last_length is for decode_batch to set */
    generation_stopping stopping;
} generation_settings;

generation_settings generation_standard(void);

/* DIR's; `vocabulary` bounds its ids. */
attn_status generation_read(generation_settings *g, const char *directory, int64_t vocabulary);

#endif
