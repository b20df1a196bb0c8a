/* Corpus chrF2 (Popovic, "chrF: character n-gram F-score for automatic MT evaluation", 2015) as sacreBLEU 2.x computes
 * it by default: characters 1 to 6, no words, beta 2, white space removed, mixed case, effective order; of several
 * references the one with the best segment score. */
#ifndef OUTPUT_CHRF_H
#define OUTPUT_CHRF_H

#include "output/scored_segment.h"

typedef struct chrf_score {
    double score;       /* 0 to 100 */
    int64_t references; /* per segment, or REFERENCES_VARY */
} chrf_score;

attn_status chrf_corpus(const attn_seq_segment *segments, int64_t count, chrf_score *out);

/* The version names this implementation: its numbers are sacreBLEU's, its version is not.
 * "nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:...", and the whole line that sacreBLEU prints; as snprintf.
 */
int chrf_signature(const chrf_score *score, char *text, size_t size);
int chrf_line(const chrf_score *score, char *text, size_t size);

#endif
