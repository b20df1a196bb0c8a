/* What a corpus score compares: one output and the references that it may match. */
#ifndef OUTPUT_SCORED_SEGMENT_H
#define OUTPUT_SCORED_SEGMENT_H

#include "attn/attn.h"

typedef struct scored_segment {
    const char *hypothesis; /* UTF-8 */
    const char *const *references;
    int64_t reference_count; /* at least 1 */
} scored_segment;

#define REFERENCES_VARY (-1)

/* The number of references that every segment has, or REFERENCES_VARY. */
static inline int64_t scored_segments_references(const scored_segment *segments, int64_t count)
{
    for (int64_t i = 1; i < count; i++) {
        if (segments[i].reference_count != segments[0].reference_count) return REFERENCES_VARY;
    }
    return count ? segments[0].reference_count : 0;
}

#endif
