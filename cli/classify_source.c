#include "classify_source.h"

#include "failure.h"
#include "line_reader.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WINDOW 2048      /* lines that are sorted by length together */
#define FILES_WINDOW 256 /* images or recordings in memory at a time */

struct classify_source {
    const char *command;
    char **files; /* those that have not been begun */
    int count;
    int kind;
    line_reader *reader; /* of the file that is being read by lines; NULL: none is */
    int64_t line;        /* lines of it that were given */
    read_line *lines;    /* read, and not yet given */
    int64_t line_begin, line_end;
    attn_seq_input *inputs; /* of the IDX file that is being read */
    const char *inputs_name;
    int64_t input, input_count;
    classify_item *items;
    int64_t item_count;
};

static int no_memory(const classify_source *s)
{
    return failure(s->command, "no memory to read the input");
}

static void clear_items(classify_source *s)
{
    for (int64_t i = 0; i < s->item_count; i++) {
        classify_item *item = &s->items[i];
        attn_seq_inputs_free(item->read);
        free(item->name);
        free(item->problem);
        free(item->place);
    }
    s->item_count = 0;
}

void classify_source_close(classify_source *s)
{
    if (!s) return;
    clear_items(s);
    line_reader_close(s->reader);
    attn_seq_inputs_free(s->inputs);
    free(s->lines);
    free(s->items);
    free(s);
}

attn_seq_input_kind classify_source_kind(const classify_source *s)
{
    return (attn_seq_input_kind)s->kind;
}

/* A file's lines, as many as there are at once. */
static int read_lines(classify_source *s)
{
    s->line_begin = 0;
    s->line_end = line_reader_next(s->reader, s->lines, WINDOW);
    if (s->line_end >= 0) return 0;
    s->line_end = 0;
    return failure(s->command, "%s: %s", line_reader_name(s->reader), line_reader_problem(s->reader));
}

static int begin_lines(classify_source *s, const char *path)
{
    s->reader = line_reader_open(path);
    s->line = 0;
    return s->reader ? read_lines(s) : failure(s->command, "%s: %s", path, strerror(errno));
}

/* A line as a path, without the carriage return of a list that comes from Windows. */
static char *path_of_line(const read_line *line)
{
    const size_t length = line->text.length;
    const bool returns = length > 0 && line->text.bytes[length - 1] == '\r';
    return strndup(length ? line->text.bytes : "", returns ? length - 1 : length);
}

/* What a line's path names, where it names a file. */
static attn_seq_input_kind kind_of_line(const read_line *line)
{
    attn_seq_input_kind kind = ATTN_SEQ_INPUT_TEXT;
    char *path = path_of_line(line);
    if (path && *path && access(path, R_OK) == 0 && attn_seq_file_kind(path, &kind) != ATTN_OK)
        kind = ATTN_SEQ_INPUT_TEXT;
    free(path);
    return kind;
}

/* What the first file is; where it cannot be read, the next that holds images or sound tells. */
static attn_status kind_of_files(const classify_source *s, attn_seq_input_kind *kind)
{
    if (!attn_seq_file_kind(s->files[0], kind)) return ATTN_OK;
    for (int i = 1; i < s->count; i++)
        if (!attn_seq_file_kind(s->files[i], kind) && *kind != ATTN_SEQ_INPUT_TEXT) return ATTN_OK;
    return attn_seq_file_kind(s->files[0], kind); /* for its words */
}

/* Begins the next operand. A file of lines is opened; one of images or sound is left for `next`. */
static int begin_first(classify_source *s, bool standard_input)
{
    attn_seq_input_kind kind = ATTN_SEQ_INPUT_TEXT;
    if (standard_input) {
        if (begin_lines(s, NULL)) return 1;
    }
    if (s->kind != KIND_UNKNOWN) return 0;
    if (!standard_input && strcmp(s->files[0], "-") && kind_of_files(s, &kind)) return failure_of_library(s->command);
    if (kind == ATTN_SEQ_INPUT_TEXT && !s->reader) {
        const char *path = s->files[0];
        s->files++;
        s->count--;
        if (begin_lines(s, path)) return 1;
    }
    if (kind == ATTN_SEQ_INPUT_TEXT && s->line_end > 0) kind = kind_of_line(&s->lines[0]);
    s->kind = (int)kind;
    return 0;
}

classify_source *classify_source_open(const char *command, char **files, int count, int kind)
{
    classify_source *s = calloc(1, sizeof *s);
    if (s) {
        *s = (classify_source){.command = command, .files = files, .count = count, .kind = kind};
        s->lines = calloc(WINDOW, sizeof *s->lines);
        s->items = calloc(WINDOW, sizeof *s->items);
    }
    if (!s || !s->lines || !s->items)
        failure(command, "no memory to read the input");
    else if (!begin_first(s, count == 0))
        return s;
    classify_source_close(s);
    return NULL;
}

static classify_item *add_item(classify_source *s)
{
    classify_item *item = &s->items[s->item_count++];
    *item = (classify_item){.input.kind = (attn_seq_input_kind)s->kind};
    return item;
}

/* The library's last words, without the file that they begin with where that is the item's place, which is told anyway.
 */
static const char *words_of_failure(const classify_item *item)
{
    const char *words = attn_seq_error();
    const size_t length = strlen(item->place);
    return strncmp(words, item->place, length) == 0 && strncmp(words + length, ": ", 2) == 0 ? words + length + 2
                                                                                             : words;
}

/* The one input of a path, or why there is none. */
static bool read_path(const classify_source *s, classify_item *item)
{
    int64_t count = 0;
    if (attn_seq_inputs_read(item->name, &item->read, &count)) return (item->problem = strdup(words_of_failure(item)));
    if (count == 1 && (int)item->read->kind == s->kind) {
        item->input = *item->read;
        return true;
    }
    const char *expected = s->kind == ATTN_SEQ_INPUT_IMAGE ? "expected one image" : "expected a recording";
    if (strcmp(item->name, item->place) == 0) return (item->problem = strdup(expected));
    return asprintf(&item->problem, "%s: %s", item->name, expected) >= 0;
}

static bool add_line(classify_source *s, const read_line *line)
{
    classify_item *item = add_item(s);
    s->line++;
    item->name = s->kind == ATTN_SEQ_INPUT_TEXT ? strndup(line->text.bytes ? line->text.bytes : "", line->text.length)
                                                : path_of_line(line);
    if (!item->name || asprintf(&item->place, "%s:%" PRId64, line_reader_name(s->reader), s->line) < 0) return false;
    if (line->too_long) return (item->problem = strdup("the line is longer than 16 MB"));
    if (s->kind != ATTN_SEQ_INPUT_TEXT) return read_path(s, item);
    item->input.text = line->text;
    return true;
}

static int give_lines(classify_source *s)
{
    int64_t most = s->kind == ATTN_SEQ_INPUT_TEXT ? WINDOW : FILES_WINDOW;
    while (s->line_begin < s->line_end && s->item_count < most)
        if (!add_line(s, &s->lines[s->line_begin++])) return no_memory(s);
    return 0;
}

static int give_inputs(classify_source *s)
{
    for (; s->input < s->input_count && s->item_count < WINDOW; s->input++) {
        classify_item *item = add_item(s);
        item->input = s->inputs[s->input];
        if (asprintf(&item->place, "%s:%" PRId64, s->inputs_name, s->input + 1) < 0) return no_memory(s);
    }
    return 0;
}

static int add_file(classify_source *s, const char *path)
{
    classify_item *item = add_item(s);
    item->name = strdup(path);
    item->place = strdup(path);
    return item->name && item->place && read_path(s, item) ? 0 : no_memory(s);
}

/* An image or a recording by itself is named; the many of an IDX file are not, save where none can be had from it. */
static int begin_inputs(classify_source *s, const char *path)
{
    attn_seq_input *inputs;
    int64_t count;
    if (attn_seq_inputs_read(path, &inputs, &count)) return add_file(s, path);
    if (count > 0 && (int)inputs->kind != s->kind) {
        attn_seq_inputs_free(inputs);
        return add_file(s, path);
    }
    s->inputs = inputs;
    s->inputs_name = path;
    s->input = 0;
    s->input_count = count;
    return 0;
}

/* An IDX file begins with 0, or with gzip's mark, as no PNG, JPEG or WAV does. */
static bool holds_many(const char *path)
{
    FILE *f = fopen(path, "rb");
    int first = f ? fgetc(f) : EOF;
    if (f) fclose(f);
    return first == 0 || first == 0x1f;
}

static int begin_file(classify_source *s, const char *path)
{
    attn_seq_input_kind kind = ATTN_SEQ_INPUT_TEXT;
    if (s->kind == ATTN_SEQ_INPUT_TEXT || !strcmp(path, "-")) return begin_lines(s, path);
    if (attn_seq_file_kind(path, &kind)) return add_file(s, path);
    if (kind == ATTN_SEQ_INPUT_TEXT) return begin_lines(s, path);
    return holds_many(path) ? begin_inputs(s, path) : add_file(s, path);
}

/* Whether there is something to give at once. */
static bool is_waiting(const classify_source *s)
{
    return s->input < s->input_count || s->line_begin < s->line_end;
}

/* What is being read goes on, and when it has ended, is put away. */
static int read_on(classify_source *s)
{
    attn_seq_inputs_free(s->inputs);
    s->inputs = NULL;
    if (!s->reader) return 0;
    if (read_lines(s)) return 1;
    if (s->line_end == 0) {
        line_reader_close(s->reader);
        s->reader = NULL;
    }
    return 0;
}

int64_t classify_source_next(classify_source *s, classify_item **items)
{
    clear_items(s);
    *items = s->items;
    int64_t most = s->kind == ATTN_SEQ_INPUT_TEXT ? WINDOW : FILES_WINDOW;
    int failed = 0;
    while (!failed && s->item_count < most) {
        if (is_waiting(s)) {
            failed = s->input < s->input_count ? give_inputs(s) : give_lines(s);
        } else if (s->reader || s->inputs) {
            if (s->item_count > 0) break; /* what was given still stands there */
            failed = read_on(s);
        } else if (s->count > 0) {
            s->count--;
            failed = begin_file(s, *s->files++);
        } else {
            break;
        }
    }
    return failed ? -1 : s->item_count;
}
