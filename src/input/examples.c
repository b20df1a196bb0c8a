#include "input/examples_read.h"

#include "base/status.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

static bool is_folder(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && S_ISDIR(s.st_mode);
}

/* What an IDX file begins with: two zeros, the type of the elements, the rank. */
#define IDX_BEGINNING 4

/* What a pipe begins with would be gone when it is read again, and the examples with it. */
static attn_status refuse_pipe(const char *path)
{
    struct stat s;
    if (stat(path, &s) != 0 || S_ISREG(s.st_mode)) return ATTN_OK;
    return status_fail(ATTN_ERROR_FILE,
                       "%s: a pipe or a device, expected a file or a folder: it is read more than once", path);
}

/* The first bytes of a file, plain or gzip; how many to *count. */
static attn_status read_beginning(const char *path, char *bytes, int most, int *count)
{
    attn_status refused = refuse_pipe(path);
    if (refused != ATTN_OK) return refused;
    errno = 0;
    gzFile f = gzopen(path, "rb");
    if (!f) return status_fail(ATTN_ERROR_FILE, "%s: cannot open it: %s", path, strerror(errno ? errno : ENOMEM));
    *count = gzread(f, bytes, (unsigned)most);
    attn_status s = *count < 0 ? status_fail(ATTN_ERROR_FILE, "%s: cannot read it", path) : ATTN_OK;
    gzclose(f);
    return s;
}

static bool is_idx(const char *bytes, int count)
{
    return count >= IDX_BEGINNING && bytes[0] == 0 && bytes[1] == 0 && bytes[2] >= 8 && bytes[2] <= 14;
}

/* A first line that ends in the name of an image or a recording makes the file a list of them. */
static example_kind kind_of_lines(const char *bytes, int count)
{
    const char *end = memchr(bytes, '\n', (size_t)count);
    size_t length = end ? (size_t)(end - bytes) : (size_t)count;
    if (length > 0 && bytes[length - 1] == '\r') length--;
    example_kind kind;
    return memchr(bytes, '\t', length) && example_kind_of_name(bytes, length, &kind) ? kind : EXAMPLES_TEXT;
}

attn_status example_kind_of(const char *path, example_kind *kind)
{
    if (is_folder(path)) return example_folder_kind(path, kind);
    char bytes[8192];
    int count = 0;
    attn_status s = read_beginning(path, bytes, sizeof bytes, &count);
    if (s != ATTN_OK) return s;
    *kind = is_idx(bytes, count) ? EXAMPLES_IMAGE : kind_of_lines(bytes, count);
    return ATTN_OK;
}

static attn_status sort_labels(example_list *l)
{
    int64_t *place = malloc(((size_t)l->labels.count + 1) * sizeof *place);
    if (!place) return status_fail(ATTN_ERROR_MEMORY, "out of memory for %lld labels", (long long)l->labels.count);
    attn_status s = label_list_sort(&l->labels, place);
    for (int64_t i = 0; s == ATTN_OK && i < l->count; i++) l->label[i] = (int32_t)place[l->label[i]];
    free(place);
    return s;
}

static attn_status read_file(example_list *l, const char *path, const char *labels_path)
{
    char bytes[IDX_BEGINNING];
    int count = 0;
    attn_status s = read_beginning(path, bytes, sizeof bytes, &count);
    if (s != ATTN_OK) return s;
    if (is_idx(bytes, count)) return example_list_read_idx(l, path, labels_path);
    return example_list_read_lines(l, path);
}

attn_status example_list_read(example_list *out, const char *path, const char *labels_path, example_kind kind)
{
    memset(out, 0, sizeof *out);
    out->kind = kind;
    attn_status s = is_folder(path) ? example_list_read_folder(out, path) : read_file(out, path, labels_path);
    if (s == ATTN_OK && out->count == 0 && out->invalid > 0)
        s = status_fail(ATTN_ERROR_FORMAT, "%s: invalid UTF-8 or a NUL byte, as in every line", out->first_invalid);
    else if (s == ATTN_OK && out->count == 0)
        s = status_fail(ATTN_ERROR_FORMAT, "%s: no %ss in it%s", path, example_kind_name(kind),
                        is_folder(path) ? ", expected a folder for each label, which holds them" : "");
    return s == ATTN_OK ? sort_labels(out) : s;
}
