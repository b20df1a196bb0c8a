/* "Did you mean ...?": the known word nearest to a mistyped one. */
#ifndef CLI_SUGGESTION_H
#define CLI_SUGGESTION_H

#include <stddef.h>

typedef struct suggestion {
    const char *typed;
    size_t length;
    const char *word; /* the nearest so far; NULL while none is near enough */
    size_t distance;
} suggestion;

suggestion suggestion_for(const char *typed, size_t length);

/* Considers a known word. Near enough: it begins with what was typed, or differs in at most a third of its letters. */
void suggestion_offer(suggestion *s, const char *word);

/* Insertions, deletions, replacements and swaps of neighbours (optimal string alignment) that turn a into b; words of
 * more than 63 bytes count as entirely different. */
size_t suggestion_distance(const char *a, size_t a_length, const char *b, size_t b_length);

#endif
