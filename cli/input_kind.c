#include "input_kind.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

bool input_kind_blank(const char *path)
{
    return path[strspn(path, " \t")] == 0;
}

int input_kind_of_name(const char *path)
{
    static const struct {
        const char *ending;
        attn_seq_input_kind kind;
    } known[] = {{".png", ATTN_SEQ_INPUT_IMAGE},
                 {".jpg", ATTN_SEQ_INPUT_IMAGE},
                 {".jpeg", ATTN_SEQ_INPUT_IMAGE},
                 {".wav", ATTN_SEQ_INPUT_AUDIO},
                 {".txt", ATTN_SEQ_INPUT_TEXT}};
    const char *ending = strrchr(path, '.');
    for (size_t i = 0; ending && i < sizeof known / sizeof *known; i++)
        if (strcasecmp(ending, known[i].ending) == 0) return (int)known[i].kind;
    return -1;
}

attn_seq_input_kind input_kind_of_lines(const read_line *lines, int64_t count)
{
    attn_seq_input_kind kind = ATTN_SEQ_INPUT_TEXT;
    char *path = NULL;
    for (int64_t i = 0; i < count && (!path || input_kind_blank(path)); i++) {
        free(path);
        path = read_line_string(&lines[i]);
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
