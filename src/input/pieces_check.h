/* What SentencePiece takes on trust in a model file: the compiled character map is a trie that it walks without
 * looking at its bounds (Yata's Darts-clone). A hostile map would make it read outside; this check refuses it. */
#ifndef INPUT_PIECES_CHECK_H
#define INPUT_PIECES_CHECK_H

#include "attn/attn.h"

/* FORMAT when `model` is not a protocol buffer through and through, or its character map points outside itself. */
attn_status pieces_check_model(const void *model, size_t bytes, const char *name);

#endif
