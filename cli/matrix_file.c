#include "matrix_file.h"

#include "failure.h"
#include "message.h"
#include "options.h"

#include "attn/seq.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_BYTES ((size_t)1 << 20)
#define LARGEST 1e6f /* beyond, numbers neither print legibly nor compare in fp32 */

/* The reading of one csv file. */
typedef struct csv {
    const char *command, *path;
    matrix_list *list;
    int line;
    matrix *open; /* the matrix that the next row belongs to; NULL between matrices */
} csv;

/* Appends an empty matrix with room for the largest; NULL after telling. */
static matrix *append(matrix_list *list, const char *command, const char *path)
{
    if (list->count == MATRIX_MOST_COUNT) {
        failure(command, "%s: one matrix too many, expected at most %d in all: Q, K and V", path, MATRIX_MOST_COUNT);
        return NULL;
    }
    matrix *m = &list->items[list->count];
    m->values = calloc(MATRIX_MOST_SIDE * MATRIX_MOST_SIDE, sizeof *m->values);
    if (!m->values) {
        failure(command, "%s: no memory", path);
        return NULL;
    }
    list->count++;
    return m;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bool is_separator(char c)
{
    return c == ',' || c == ';';
}

/* The word as it may be shown: what a terminal might obey becomes '?'. */
static int not_a_number(const csv *c, int64_t field, char *word)
{
    for (char *at = word; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f) *at = '?';
    return failure(c->command, "%s: line %d, number %lld: \"%s\", expected a number from -1e6 to 1e6", c->path, c->line,
                   (long long)field + 1, word);
}

/* One number from *text, which is moved on. */
static int read_number(const csv *c, const char **text, const char *end, int64_t field, float *number)
{
    char word[48];
    size_t length = 0;
    while (*text + length < end && !is_blank((*text)[length]) && !is_separator((*text)[length])) length++;
    size_t kept = length < sizeof word ? length : sizeof word - 1;
    memcpy(word, *text, kept);
    word[kept] = 0;
    double value;
    bool fine = kept == length && strlen(word) == length && options_read_float(word, &value) && fabs(value) <= LARGEST;
    if (!fine) return not_a_number(c, field, word);
    *number = (float)value;
    *text += length;
    return 0;
}

/* A row of numbers into `row`, their count into *count. */
static int read_row(const csv *c, const char *text, const char *end, float *row, int64_t *count)
{
    for (*count = 0;; ++*count) {
        while (text < end && is_blank(*text)) text++;
        if (text == end && *count && !is_separator(text[-1])) return 0;
        if (*count == MATRIX_MOST_SIDE)
            return failure(c->command, "%s: line %d: more than %d numbers, expected a small matrix", c->path, c->line,
                           MATRIX_MOST_SIDE);
        if (read_number(c, &text, end, *count, &row[*count])) return 1;
        while (text < end && is_blank(*text)) text++;
        if (text == end) {
            ++*count;
            return 0;
        }
        if (is_separator(*text)) text++;
    }
}

static int read_line(csv *c, const char *text, const char *end)
{
    const char *remark = memchr(text, '#', (size_t)(end - text));
    if (remark) end = remark;
    while (end > text && is_blank(end[-1])) end--;
    while (text < end && is_blank(*text)) text++;
    if (text == end) {
        if (!remark) c->open = NULL; /* a remark alone separates nothing */
        return 0;
    }
    if (!c->open && !(c->open = append(c->list, c->command, c->path))) return 1;
    if (c->open->rows == MATRIX_MOST_SIDE)
        return failure(c->command, "%s: line %d: more than %d rows, expected a small matrix", c->path, c->line,
                       MATRIX_MOST_SIDE);
    float row[MATRIX_MOST_SIDE];
    int64_t count;
    if (read_row(c, text, end, row, &count)) return 1;
    if (c->open->rows && count != c->open->columns)
        return failure(c->command, "%s: line %d: %lld number%s, expected %lld as in the row before", c->path, c->line,
                       (long long)count, plural(count), (long long)c->open->columns);
    c->open->columns = count;
    memcpy(c->open->values + c->open->rows * count, row, (size_t)count * sizeof *row);
    c->open->rows++;
    return 0;
}

int matrix_list_read_csv(matrix_list *list, const char *command, const char *path, const char *bytes, size_t size)
{
    csv c = {.command = command, .path = path, .list = list};
    const char *end = bytes + size, *text = bytes;
    int before = list->count;
    if (size >= 3 && !memcmp(text, "\xEF\xBB\xBF", 3)) text += 3; /* a byte order mark, as spreadsheets put it */
    while (text < end) {
        const char *line_end = memchr(text, '\n', (size_t)(end - text));
        if (!line_end) line_end = end;
        c.line++;
        if (read_line(&c, text, line_end)) return 1;
        text = line_end < end ? line_end + 1 : end;
    }
    if (list->count > before) return 0;
    return failure(command, "%s: holds no numbers, expected rows of them", path);
}

static int read_text(matrix_list *list, const char *command, const char *path)
{
    static const char npy[] = {'\x93', 'N', 'U', 'M', 'P', 'Y'};
    bool standard = !strcmp(path, "-");
    const char *name = standard ? "standard input" : path;
    FILE *f = standard ? stdin : fopen(path, "rb");
    if (!f) return failure(command, "%s: cannot read: %s", name, strerror(errno));
    char *bytes = malloc(MOST_BYTES);
    int status = 1;
    size_t size = bytes ? fread(bytes, 1, MOST_BYTES, f) : 0;
    if (!bytes)
        failure(command, "%s: no memory", name);
    else if (ferror(f))
        failure(command, "%s: cannot read: %s", name, strerror(errno));
    else if (size == MOST_BYTES)
        failure(command, "%s: holds a megabyte or more, expected small matrices", name);
    else if (size >= sizeof npy && !memcmp(bytes, npy, sizeof npy))
        failure(command, "%s: is an npy file, expected csv or a file whose name ends in .npy", name);
    else
        status = matrix_list_read_csv(list, command, name, bytes, size);
    free(bytes);
    if (!standard) fclose(f);
    return status;
}

static int copy_array(matrix_list *list, const char *command, const char *path, const attn_seq_array *a)
{
    if (!a->values) return failure(command, "%s: holds booleans, expected numbers", path);
    if (a->rank != 2) return failure(command, "%s: has %d dimension%s, expected 2", path, a->rank, plural(a->rank));
    for (int i = 0; i < 2; i++)
        if (a->shape[i] < 1 || a->shape[i] > MATRIX_MOST_SIDE)
            return failure(command, "%s: has %lld %s, expected 1 to %d (attn run takes any)", path,
                           (long long)a->shape[i], i ? "columns" : "rows", MATRIX_MOST_SIDE);
    for (int64_t i = 0; i < a->count; i++)
        if (!(fabsf(a->values[i]) <= LARGEST))
            return failure(command, "%s: element (%lld, %lld) is %g, expected a number from -1e6 to 1e6", path,
                           (long long)(i / a->shape[1]), (long long)(i % a->shape[1]), (double)a->values[i]);
    matrix *m = append(list, command, path);
    if (!m) return 1;
    m->rows = a->shape[0];
    m->columns = a->shape[1];
    memcpy(m->values, a->values, (size_t)a->count * sizeof *m->values);
    return 0;
}

int matrix_list_read(matrix_list *list, const char *command, const char *path)
{
    size_t length = strlen(path);
    if (length < 4 || strcmp(path + length - 4, ".npy")) return read_text(list, command, path);
    attn_seq_array array;
    if (attn_seq_array_read_npy(&array, path) != ATTN_OK) return failure_of_library(command);
    int status = copy_array(list, command, path, &array);
    attn_seq_array_clear(&array);
    return status;
}

void matrix_list_clear(matrix_list *list)
{
    for (int i = 0; i < list->count; i++) free(list->items[i].values);
    list->count = 0;
}
