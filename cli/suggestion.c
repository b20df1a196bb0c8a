#include "suggestion.h"

#include <stdint.h>
#include <string.h>

#define LONGEST 63

suggestion suggestion_for(const char *typed, size_t length)
{
    return (suggestion){.typed = typed, .length = length, .distance = SIZE_MAX};
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t suggestion_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    if (a_length > LONGEST || b_length > LONGEST) return a_length > b_length ? a_length : b_length;
    size_t row[3][LONGEST + 1]; /* the rows i - 2, i - 1 and i of the table, in turn */
    for (size_t j = 0; j <= b_length; j++) row[0][j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t *now = row[i % 3], *before = row[(i + 2) % 3], *earlier = row[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            now[j] = least(before[j - 1] + (a[i - 1] != b[j - 1]), least(before[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], earlier[j - 2] + 1);
        }
    }
    return row[a_length % 3][b_length];
}

void suggestion_offer(suggestion *s, const char *word)
{
    size_t length = strlen(word);
    size_t distance = suggestion_distance(s->typed, s->length, word, length);
    if (s->length >= 2 && length > s->length && !memcmp(word, s->typed, s->length)) distance = 1;
    size_t longer = length > s->length ? length : s->length;
    if (distance > longer / 3 || distance >= longer || distance >= s->distance) return;
    s->word = word;
    s->distance = distance;
}
