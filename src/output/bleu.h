/* Corpus BLEU (Papineni et al., "BLEU: a Method for Automatic Evaluation of Machine Translation", 2002) as
 * sacreBLEU 2.x computes it by default: 13a tokens, orders 1 to 4, mixed case, exponential smoothing (Chen and Cherry
 * 2014, method 3), no effective order, the closest reference's length, the shorter of two equally close ones. */
#ifndef OUTPUT_BLEU_H
#define OUTPUT_BLEU_H

#include "output/scored_segment.h"

#define BLEU_ORDER 4

typedef struct bleu_score {
    double score; /* 0 to 100 */
    double precisions[BLEU_ORDER], brevity_penalty;
    int64_t correct[BLEU_ORDER], total[BLEU_ORDER];
    int64_t hypothesis_length, reference_length;
    int64_t references; /* per segment, or REFERENCES_VARY */
} bleu_score;

attn_status bleu_corpus(const attn_seq_segment *segments, int64_t count, bleu_score *out);

/* The version names this implementation: its numbers are sacreBLEU's, its version is not.
 * "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:...", and the whole line that sacreBLEU prints; as snprintf. */
int bleu_signature(const bleu_score *score, char *text, size_t size);
int bleu_line(const bleu_score *score, char *text, size_t size);

#endif
