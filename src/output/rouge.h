/* ROUGE-1, ROUGE-2 and ROUGE-L (Lin, "ROUGE: A Package for Automatic Evaluation of Summaries", 2004, sections 2 and
 * 3.1) as Google's rouge_score computes them without its stemmer: lower case, words of a to z and 0 to 9, everything
 * else separates; F1 of each segment, of several references the best; a set's score is the mean over its segments. */
#ifndef OUTPUT_ROUGE_H
#define OUTPUT_ROUGE_H

#include "output/scored_segment.h"

typedef struct rouge_score {
    double rouge_1, rouge_2, rouge_l; /* 0 to 100 */
    int64_t references;               /* per segment, or REFERENCES_VARY */
} rouge_score;

attn_status rouge_corpus(const attn_seq_segment *segments, int64_t count, rouge_score *out);

/* "nrefs:1|case:lower|tok:[a-z0-9]+|stem:no|avg:mean|version:...", and a line with it and the scores; as snprintf. */
int rouge_signature(const rouge_score *score, char *text, size_t size);
int rouge_line(const rouge_score *score, char *text, size_t size);

/* The words of `text`, separated by single spaces; *tokens malloc'ed. */
attn_status rouge_tokenize(const char *text, char **tokens);

#endif
