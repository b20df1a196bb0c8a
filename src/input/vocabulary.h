/* The numbering of a model's pieces: vocab.json, one object that maps each piece to its id. */
#ifndef INPUT_VOCABULARY_H
#define INPUT_VOCABULARY_H

#include "attn/attn.h"

typedef struct vocabulary vocabulary;
struct json_t;

attn_status vocabulary_open(vocabulary **out, const char *path);

/* The same from memory; `name` is what messages call it. */
attn_status vocabulary_parse(vocabulary **out, const char *json, size_t bytes, const char *name);

/* The same of an object that has been read already, jansson's json_t, of which it keeps a reference. */
attn_status vocabulary_of_json(vocabulary **out, const struct json_t *object, const char *name);

/* Piece i has id i; names are copied. A name that stands there twice is a FORMAT error. */
attn_status vocabulary_create(vocabulary **out, const char *const *pieces, int64_t count, const char *name);

/* NULL is ignored. */
void vocabulary_destroy(vocabulary *v);

/* The id of a piece, -1 when there is none. */
int32_t vocabulary_find(const vocabulary *v, const char *piece, size_t bytes);

/* The piece of an id; NULL out of range or when no piece has it. */
const char *vocabulary_piece(const vocabulary *v, int32_t id);

/* One more than the largest id. */
int64_t vocabulary_size(const vocabulary *v);

#endif
