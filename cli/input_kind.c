#include "input_kind.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *input_kind_path(const read_line *line)
{
    const size_t length = line->text.length;
    const bool returns = length > 0 && line->text.bytes[length - 1] == '\r';
    return strndup(length ? line->text.bytes : "", returns ? length - 1 : length);
}

bool input_kind_blank(const char *path)
{
    return path[strspn(path, " \t\r")] == 0;
}

attn_seq_input_kind input_kind_of_lines(const read_line *lines, int64_t count)
{
    attn_seq_input_kind kind = ATTN_SEQ_INPUT_TEXT;
    char *path = NULL;
    for (int64_t i = 0; i < count && (!path || input_kind_blank(path)); i++) {
        free(path);
        path = input_kind_path(&lines[i]);
    }
    if (path && access(path, R_OK) == 0) {
        attn_status status = attn_seq_file_kind(path, &kind);
        /* A file of a format that is not read is no text: as an image it is refused by its own words. */
        if (status != ATTN_OK) kind = status == ATTN_ERROR_UNSUPPORTED ? ATTN_SEQ_INPUT_IMAGE : ATTN_SEQ_INPUT_TEXT;
    }
    free(path);
    return kind;
}

attn_status input_kind_of_file(const char *path, attn_seq_input_kind *kind)
{
    struct stat is;
    *kind = ATTN_SEQ_INPUT_TEXT;
    if (!strcmp(path, "-") || (stat(path, &is) == 0 && !S_ISREG(is.st_mode) && !S_ISDIR(is.st_mode))) return ATTN_OK;
    return attn_seq_file_kind(path, kind);
}

bool input_kind_many(const char *path)
{
    FILE *f = fopen(path, "rb");
    int first = f ? fgetc(f) : EOF;
    if (f) fclose(f);
    return first == 0 || first == 0x1f;
}

void input_kind_mismatch(attn_seq_input_kind kind, attn_seq_input_kind expected, char *why, size_t size)
{
    static const char *const names[] = {"lines of text", "an image", "a recording"};
    snprintf(why, size, "%s, expected %s: what is of another kind needs a run of its own", names[kind],
             names[expected]);
}
