#include "input/tokenizer.h"

#include "base/replace_file.h"
#include "base/status.h"
#include "input/pieces.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static attn_status save(const char *directory, const char *file, const void *bytes, size_t size)
{
    char path[4096];
    int length = snprintf(path, sizeof path, "%s/%s", directory, file);
    if (length < 0 || (size_t)length >= sizeof path)
        return status_fail(ATTN_ERROR_ARGUMENT, "%.60s...: the path is too long", directory);
    return replace_file_save(path, bytes, size);
}

static attn_status save_json(const char *directory, const char *file, json_t *json)
{
    char *text = json ? json_dumps(json, JSON_INDENT(1) | JSON_PRESERVE_ORDER) : NULL;
    json_decref(json);
    if (!text) return status_fail(ATTN_ERROR_MEMORY, "%s/%s: out of memory, or not valid UTF-8", directory, file);
    attn_status s = save(directory, file, text, strlen(text));
    free(text);
    return s;
}

/* </s> 0, <unk> 1, the pieces in SentencePiece's order, <pad> last. */
static json_t *number_pieces(const pieces *p)
{
    json_t *vocab = json_object();
    json_int_t next = 0;
    json_object_set_new(vocab, "</s>", json_integer(next++));
    json_object_set_new(vocab, "<unk>", json_integer(next++));
    for (int64_t id = 0; id < pieces_count(p); id++) {
        const char *piece = pieces_name(p, id);
        if (pieces_is_special(p, id) || json_object_get(vocab, piece)) continue;
        json_object_set_new(vocab, piece, json_integer(next++));
    }
    json_object_set_new(vocab, "<pad>", json_integer(next));
    return vocab;
}

static json_t *describe(void)
{
    return json_pack("{s:s, s:b, s:i, s:s, s:s, s:s}", "tokenizer_class", "MarianTokenizer", "separate_vocabs", 0,
                     "model_max_length", 512, "eos_token", "</s>", "unk_token", "<unk>", "pad_token", "<pad>");
}

attn_status tokenizer_train(const char *const *lines, int64_t count, int64_t vocabulary, uint32_t seed,
                            const char *directory)
{
    void *model = NULL;
    size_t bytes = 0;
    pieces *p = NULL;
    attn_status s = pieces_train(lines, count, PIECES_NMT_NFKC, vocabulary, seed, &model, &bytes);
    if (s == ATTN_OK) s = pieces_parse(&p, model, bytes, "the trained SentencePiece model");
    if (s == ATTN_OK) s = tokenizer_remove(directory);
    if (s == ATTN_OK) s = save(directory, "source.spm", model, bytes);
    if (s == ATTN_OK) s = save(directory, "target.spm", model, bytes);
    if (s == ATTN_OK) s = save_json(directory, "vocab.json", number_pieces(p));
    if (s == ATTN_OK) s = save_json(directory, "tokenizer_config.json", describe());
    pieces_destroy(p);
    free(model);
    return s;
}
