#include "input/pieces.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct piece_list {
    const char *first[64];
    char *owned[64];
    int64_t count;
} piece_list;

static void keep(void *argument, const char *piece, size_t bytes)
{
    piece_list *l = argument;
    if (l->count == 64) return;
    l->owned[l->count] = strndup(piece, bytes);
    l->first[l->count] = l->owned[l->count];
    l->count++;
}

/* What is accepted as a SentencePiece model splits a text and joins it again, whatever comes out. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char text[] = "The  cat\xe2\x80\x99s \xc3\xa9t\xc3\xa9, \xe4\xb8\xad\xe6\x96\x87 \xef\xac\x81ne 12.";
    pieces *p;
    if (pieces_parse(&p, data, size, "source.spm") != ATTN_OK) return 0;
    for (int64_t id = -1; id <= pieces_count(p); id++) pieces_name(p, id);
    piece_list l = {.count = 0};
    char *joined = NULL;
    if (pieces_split(p, text, sizeof text - 1, keep, &l) == ATTN_OK) pieces_join(p, l.first, l.count, &joined);
    free(joined);
    for (int64_t i = 0; i < l.count; i++) free(l.owned[i]);
    pieces_destroy(p);
    return 0;
}
