/* The WordPiece model of a word's pieces: from the left, the longest piece that the vocabulary holds each time; pieces
 * inside a word are written with a prefix (Schuster and Nakajima 2012; Devlin et al. 2019). */
#ifndef INPUT_WORDPIECE_H
#define INPUT_WORDPIECE_H

#include "attn/attn.h"
#include "input/id_list.h"
#include "input/vocabulary.h"

typedef struct wordpiece {
    const vocabulary *vocabulary;
    char *prefix;            /* of pieces inside a word, "##" */
    int64_t most_characters; /* a longer word is unknown */
    int32_t unk;
} wordpiece;

/* A word that cannot be cut to its end, or is too long, is the unknown token. */
void wordpiece_encode(const wordpiece *w, const char *word, size_t bytes, id_list *ids);

#endif
