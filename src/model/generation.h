/* How a model likes to be decoded: generation_config.json, or the same fields of config.json where there is none. */
#ifndef MODEL_GENERATION_H
#define MODEL_GENERATION_H

#include "output/search.h"

typedef struct generation_settings {
    int64_t beam;          /* num_beams; 5 where it is absent */
    double length_penalty; /* 1 where it is absent */
    int64_t max_length;    /* ids of a target, the start's among them; 0: as many as there are positions */
    search_limits limits;  /* its last_length is for decode_batch to set */
} generation_settings;

/* Where the directory says nothing, and of what is trained here: a search ends when the beam is full. */
generation_settings generation_standard(void);

/* DIR's; `vocabulary` bounds its ids. Without early_stopping the search ends as where it is false: so transformers
 * does. */
attn_status generation_read(generation_settings *g, const char *directory, int64_t vocabulary);

#endif
