#include "model/piece_words.h"

#include <string.h>

#define SPACE_MARK "\xE2\x96\x81" /* U+2581 */

void piece_words(const tokenizer *k, tokenizer_side side, token_list part, int32_t eos_id, bool fresh, int64_t *words,
                 int64_t *count)
{
    for (int64_t i = 0; i < part.length; i++) {
        if (part.ids[i] == eos_id) {
            words[i] = -1;
            continue;
        }
        const char *piece = tokenizer_piece(k, side, part.ids[i]);
        bool marked = !strncmp(piece, SPACE_MARK, strlen(SPACE_MARK));
        bool begins = i == 0 ? fresh || *count == 0 : marked;
        if (begins) ++*count;
        words[i] = *count - 1;
    }
}
