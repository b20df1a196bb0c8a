#include "input/marian_tokenizer.h"

#include "base/status.h"
#include "input/id_list.h"
#include "input/pieces.h"
#include "input/vocabulary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One side; where the vocabulary is shared, both sides point to the same. */
typedef struct side_files {
    pieces *spm;
    vocabulary *vocab;
    int32_t eos, unk, pad;
} side_files;

struct marian_tokenizer {
    side_files side[2];
};

/* U+2581, SentencePiece's mark for a space. */
static const char space_mark[] = "\xe2\x96\x81";

static char *path_of(const char *directory, const char *file)
{
    size_t bytes = strlen(directory) + strlen(file) + 2;
    char *path = malloc(bytes);
    if (path) snprintf(path, bytes, "%s/%s", directory, file);
    return path;
}

static attn_status open_pieces(pieces **out, const char *directory, const char *file)
{
    char *path = path_of(directory, file);
    if (!path) return status_fail(ATTN_ERROR_MEMORY, "%s: out of memory", directory);
    attn_status s = pieces_open(out, path);
    free(path);
    return s;
}

static attn_status find_special(const vocabulary *v, const char *path, const char *piece, int32_t *id)
{
    *id = vocabulary_find(v, piece, strlen(piece));
    if (*id < 0) return status_fail(ATTN_ERROR_FORMAT, "%s: piece \"%s\" is missing", path, piece);
    return ATTN_OK;
}

static attn_status open_vocabulary(side_files *f, const char *directory, const char *file)
{
    char *path = path_of(directory, file);
    if (!path) return status_fail(ATTN_ERROR_MEMORY, "%s: out of memory", directory);
    attn_status s = vocabulary_open(&f->vocab, path);
    if (s == ATTN_OK) s = find_special(f->vocab, path, "</s>", &f->eos);
    if (s == ATTN_OK) s = find_special(f->vocab, path, "<unk>", &f->unk);
    if (s == ATTN_OK) s = find_special(f->vocab, path, "<pad>", &f->pad);
    free(path);
    return s;
}

static attn_status has_target_vocabulary(const char *directory, bool *has)
{
    char *path = path_of(directory, "target_vocab.json");
    if (!path) return status_fail(ATTN_ERROR_MEMORY, "%s: out of memory", directory);
    *has = access(path, F_OK) == 0;
    free(path);
    return ATTN_OK;
}

static attn_status open_both(marian_tokenizer *k, const char *directory)
{
    side_files *source = &k->side[TOKENIZER_SOURCE], *target = &k->side[TOKENIZER_TARGET];
    bool separate = false;
    attn_status s = open_pieces(&source->spm, directory, "source.spm");
    if (s == ATTN_OK) s = open_pieces(&target->spm, directory, "target.spm");
    if (s == ATTN_OK) s = open_vocabulary(source, directory, "vocab.json");
    if (s == ATTN_OK) s = has_target_vocabulary(directory, &separate);
    if (s != ATTN_OK) return s;
    if (separate) return open_vocabulary(target, directory, "target_vocab.json");
    target->vocab = source->vocab;
    target->eos = source->eos;
    target->unk = source->unk;
    target->pad = source->pad;
    return ATTN_OK;
}

attn_status marian_tokenizer_open(marian_tokenizer **out, const char *directory)
{
    *out = NULL;
    marian_tokenizer *k = calloc(1, sizeof *k);
    if (!k) return status_fail(ATTN_ERROR_MEMORY, "%s: out of memory", directory);
    attn_status s = open_both(k, directory);
    if (s != ATTN_OK) {
        marian_tokenizer_destroy(k);
        return s;
    }
    *out = k;
    return ATTN_OK;
}

void marian_tokenizer_destroy(marian_tokenizer *k)
{
    if (!k) return;
    for (int i = 0; i < 2; i++) pieces_destroy(k->side[i].spm);
    if (k->side[1].vocab != k->side[0].vocab) vocabulary_destroy(k->side[1].vocab);
    vocabulary_destroy(k->side[0].vocab);
    free(k);
}

typedef struct encoding {
    const side_files *side;
    id_list *ids;
} encoding;

static void append_piece(void *argument, const char *piece, size_t bytes)
{
    encoding *e = argument;
    int32_t id = vocabulary_find(e->side->vocab, piece, bytes);
    id_list_append(e->ids, id < 0 ? e->side->unk : id);
}

/* Bytes of a leading language code, 0 when there is none: the regular expression ">>.+<<" of MarianTokenizer, whose dot
 * takes all it can but no newline. */
static size_t code_length(const char *text, size_t bytes)
{
    if (bytes < 5 || memcmp(text, ">>", 2) != 0) return 0;
    size_t length = 0;
    for (size_t i = 3; i + 2 <= bytes && text[i - 1] != '\n'; i++) {
        if (memcmp(text + i, "<<", 2) == 0) length = i + 2;
    }
    return length;
}

attn_status marian_tokenizer_encode(const marian_tokenizer *k, tokenizer_side side, const char *text, size_t bytes,
                                    id_list *ids)
{
    encoding e = {.side = &k->side[side], .ids = ids};
    size_t code = code_length(text, bytes);
    if (code > 0) append_piece(&e, text, code);
    attn_status s = pieces_split(e.side->spm, text + code, bytes - code, append_piece, &e);
    id_list_append(ids, e.side->eos);
    return s;
}

/* What MarianTokenizer.convert_tokens_to_string does after SentencePiece: leftover space marks become spaces, and the
 * ends are stripped. */
static void tidy(char *text)
{
    char *to = text;
    for (const char *from = text; *from;) {
        if (strncmp(from, space_mark, 3) == 0) {
            *to++ = ' ';
            from += 3;
        } else {
            *to++ = *from++;
        }
    }
    while (to > text && to[-1] == ' ') to--;
    *to = '\0';
    size_t lead = strspn(text, " ");
    memmove(text, text + lead, strlen(text + lead) + 1);
}

attn_status marian_tokenizer_decode(const marian_tokenizer *k, const int32_t *ids, int64_t count, char **text)
{
    const side_files *f = &k->side[TOKENIZER_TARGET];
    const char **list = malloc(((size_t)count + 1) * sizeof *list);
    if (!list) return status_fail(ATTN_ERROR_MEMORY, "joining pieces: out of memory");
    int64_t kept = 0;
    for (int64_t i = 0; i < count; i++) {
        if (ids[i] == f->eos || ids[i] == f->unk || ids[i] == f->pad) continue;
        const char *piece = vocabulary_piece(f->vocab, ids[i]);
        if (piece) list[kept++] = piece;
    }
    attn_status s = pieces_join(f->spm, list, kept, text);
    free(list);
    if (s == ATTN_OK) tidy(*text);
    return s;
}

const char *marian_tokenizer_piece(const marian_tokenizer *k, tokenizer_side side, int32_t id)
{
    return vocabulary_piece(k->side[side].vocab, id);
}

int64_t marian_tokenizer_vocabulary(const marian_tokenizer *k, tokenizer_side side)
{
    return vocabulary_size(k->side[side].vocab);
}

bool marian_tokenizer_is_special(const marian_tokenizer *k, tokenizer_side side, int32_t id)
{
    const side_files *f = &k->side[side];
    return id == f->eos || id == f->unk || id == f->pad;
}

int32_t marian_tokenizer_find(const marian_tokenizer *k, tokenizer_side side, const char *piece)
{
    return vocabulary_find(k->side[side].vocab, piece, strlen(piece));
}

int32_t marian_tokenizer_unk_id(const marian_tokenizer *k)
{
    return k->side[TOKENIZER_SOURCE].unk;
}
