/* Tokenizes the texts in a file and says whether ids and decoded texts are those in the file.
 * usage: same_tokens MODEL TOKENS.json     an array of {"text": ..., "ids": [...], "decoded": ...}
 * Exit status: 0 when all are equal, 1 otherwise, 2 wrong usage. */
#include "base/status.h"
#include "input/tokenizer.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool same_ids(const int32_t *ids, int64_t count, const json_t *expected)
{
    if ((size_t)count != json_array_size(expected)) return false;
    for (int64_t i = 0; i < count; i++) {
        if (ids[i] != (int32_t)json_integer_value(json_array_get(expected, (size_t)i))) return false;
    }
    return true;
}

static bool same_row(const tokenizer *k, const json_t *row)
{
    const json_t *text = json_object_get(row, "text");
    const char *expected = json_string_value(json_object_get(row, "decoded"));
    int32_t *ids = NULL;
    int64_t count;
    char *decoded = NULL;
    attn_status s =
        tokenizer_encode(k, TOKENIZER_SOURCE, json_string_value(text), json_string_length(text), &ids, &count);
    if (s == ATTN_OK) s = tokenizer_decode(k, ids, count, &decoded);
    const bool same =
        s == ATTN_OK && same_ids(ids, count, json_object_get(row, "ids")) && strcmp(decoded, expected) == 0;
    if (!same) printf("differs: \"%s\", decoded \"%s\" here\n", json_string_value(text), decoded ? decoded : "");
    free(decoded);
    free(ids);
    return same;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s MODEL TOKENS.json\n", argv[0]);
        return 2;
    }
    tokenizer *k = NULL;
    json_t *rows = json_load_file(argv[2], JSON_ALLOW_NUL, NULL), *row;
    size_t i, wrong = 0;
    if (!rows || tokenizer_open(&k, argv[1]) != ATTN_OK) {
        fprintf(stderr, "%s: %s\n", argv[2], rows ? status_message() : "not JSON");
        json_decref(rows);
        return 1;
    }
    json_array_foreach(rows, i, row) wrong += !same_row(k, row);
    printf("%zu texts, %zu differ\n", json_array_size(rows), wrong);
    json_decref(rows);
    tokenizer_destroy(k);
    return wrong != 0;
}
