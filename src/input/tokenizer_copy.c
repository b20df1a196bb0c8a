#define _GNU_SOURCE /* asprintf */
#include "input/tokenizer.h"

#include "base/replace_file.h"
#include "base/status.h"
#include "formats/regular_file.h"
#include "formats/whole_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_BYTES ((size_t)1 << 30)

/* All that tokenizer.c or transformers reads of any kind. */
static const char *const files[] = {
    "source.spm", "target.spm", "vocab.json",        "target_vocab.json",     "tokenizer.json",
    "vocab.txt",  "merges.txt", "added_tokens.json", "tokenizer_config.json", "special_tokens_map.json",
};

static attn_status remove_file(const char *path)
{
    if (unlink(path) == 0 || errno == ENOENT) return ATTN_OK;
    return status_fail(ATTN_ERROR_FILE, "%s: cannot remove it: %s", path, strerror(errno));
}

attn_status tokenizer_remove(const char *directory)
{
    attn_status s = ATTN_OK;
    for (size_t i = 0; i < sizeof files / sizeof *files && s == ATTN_OK; i++) {
        char *path;
        if (asprintf(&path, "%s/%s", directory, files[i]) < 0)
            return status_fail(ATTN_ERROR_MEMORY, "%s: out of memory", directory);
        s = remove_file(path);
        free(path);
    }
    return s;
}

/* What is there and not in `from` would be taken for a part of the tokenizer. */
static attn_status copy_file(const char *from, const char *to)
{
    if (access(from, F_OK) != 0) return remove_file(to);
    unsigned char *bytes;
    size_t size;
    attn_status s = regular_file_expect(from);
    if (s == ATTN_OK) s = whole_file_read(&bytes, &size, from, MOST_BYTES);
    if (s != ATTN_OK) return s;
    s = replace_file_save(to, bytes, size);
    free(bytes);
    return s;
}

attn_status tokenizer_copy(const char *from, const char *to)
{
    attn_status s = ATTN_OK;
    for (size_t i = 0; i < sizeof files / sizeof *files && s == ATTN_OK; i++) {
        char *source = NULL, *target = NULL;
        if (asprintf(&source, "%s/%s", from, files[i]) < 0) source = NULL;
        if (asprintf(&target, "%s/%s", to, files[i]) < 0) target = NULL;
        s = source && target ? copy_file(source, target) : status_fail(ATTN_ERROR_MEMORY, "%s: out of memory", from);
        free(source);
        free(target);
    }
    return s;
}
