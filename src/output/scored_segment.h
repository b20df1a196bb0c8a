/* What a corpus score compares, attn_seq_segment, and how many references it has. */
#ifndef OUTPUT_SCORED_SEGMENT_H
#define OUTPUT_SCORED_SEGMENT_H

#include "attn/seq.h"

#define REFERENCES_VARY (-1)

/* The number of references that every segment has, or REFERENCES_VARY. */
static inline int64_t scored_segments_references(const attn_seq_segment *segments, int64_t count)
{
    for (int64_t i = 1; i < count; i++) {
        if (segments[i].reference_count != segments[0].reference_count) return REFERENCES_VARY;
    }
    return count ? segments[0].reference_count : 0;
}

#endif
