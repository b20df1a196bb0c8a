#include "input/wordpiece.h"

#include "base/utf8.h"
#include "input/text_buffer.h"

#include <string.h>

static int64_t count_characters(const char *word, size_t bytes)
{
    int64_t count = 0;
    for (size_t i = 0; i < bytes; i++) count += ((unsigned char)word[i] & 0xC0) != 0x80;
    return count;
}

/* The longest piece that begins at `begin`; its end, or `begin` when there is none. */
static size_t longest_piece(const wordpiece *w, const char *word, size_t bytes, size_t begin, text_buffer *piece,
                            int32_t *id)
{
    piece->size = 0;
    if (begin > 0) text_append(piece, w->prefix, strlen(w->prefix));
    const size_t lead = piece->size;
    text_append(piece, word + begin, bytes - begin);
    if (piece->failed) return begin;
    for (size_t end = bytes; end > begin; end--) {
        if (end < bytes && ((unsigned char)word[end] & 0xC0) == 0x80) continue;
        *id = vocabulary_find(w->vocabulary, piece->bytes, lead + end - begin);
        if (*id >= 0) return end;
    }
    return begin;
}

void wordpiece_encode(const wordpiece *w, const char *word, size_t bytes, id_list *ids)
{
    const int64_t before = ids->count;
    text_buffer piece = {0};
    size_t at = count_characters(word, bytes) > w->most_characters ? bytes + 1 : 0;
    while (at < bytes) {
        int32_t id = -1;
        size_t end = longest_piece(w, word, bytes, at, &piece, &id);
        if (end == at) break;
        id_list_append(ids, id);
        at = end;
    }
    ids->failed |= piece.failed;
    text_clear(&piece);
    if (at == bytes) return;
    ids->count = before;
    id_list_append(ids, w->unk);
}
