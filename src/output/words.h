/* The words of one segment, numbered: n-grams are then compared by numbers. */
#ifndef OUTPUT_WORDS_H
#define OUTPUT_WORDS_H

#include "attn/attn.h"

typedef struct words words;

words *words_create(void); /* NULL when the system gives no memory */
void words_destroy(words *w);

/* Forgets all words; keeps the memory. */
void words_reset(words *w);

/* The numbers of `text`'s words, which single spaces separate: *numbers malloc'ed. Equal words have equal numbers until
 * words_reset. */
attn_status words_number(words *w, const char *text, uint32_t **numbers, int64_t *count);

#endif
