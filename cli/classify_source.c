#include "classify_source.h"

#include "failure.h"
#include "input_kind.h"
#include "line_reader.h"
#include "spooled_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WINDOW 2048      /* lines that are sorted by length together */
#define FILES_WINDOW 256 /* images or recordings in memory at a time */

struct classify_source {
    const char *command;
    char **files; /* those that have not been begun */
    int count;
    char **unread; /* those that stood before the first that can be read, of which nobody has been told yet */
    int unread_count;
    int kind;
    line_reader *reader; /* of the file that is being read by lines; NULL: none is */
    const char *whole;   /* that file, where it is no lines, but an image, a recording or an IDX file; else NULL */
    int64_t line;        /* lines of it that were given */
    read_line *lines;    /* read, and not yet given */
    int64_t line_begin, line_end;
    attn_seq_input *inputs; /* of the IDX file that is being read, or of what came whole */
    const char *inputs_name;
    bool named; /* they are one, which is called by that name */
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
    for (int64_t i = 0; i < s->item_count; i++) classify_item_clear(&s->items[i]);
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

static classify_item *add_item(classify_source *s)
{
    classify_item *item = &s->items[s->item_count++];
    *item = (classify_item){.input.kind = (attn_seq_input_kind)s->kind};
    return item;
}

/* In place of an operand, or of the rest of one, that cannot be read or is of another kind. */
static int add_refused(classify_source *s, const char *path, const char *why)
{
    return classify_item_refuse(add_item(s), path, why) ? 0 : no_memory(s);
}

static int refuse_unread(classify_source *s, const char *path)
{
    attn_seq_input_kind kind;
    return add_refused(s, path, input_kind_of_file(path, &kind) ? classify_item_words(path) : "could not be read");
}

/* A file's lines, as many as there are at once; false where they cannot be read. */
static bool read_lines(classify_source *s)
{
    s->line_begin = 0;
    s->line_end = line_reader_next(s->reader, s->lines, WINDOW);
    if (s->line_end >= 0) return true;
    s->line_end = 0;
    return false;
}

static void end_lines(classify_source *s)
{
    line_reader_close(s->reader);
    s->reader = NULL;
}

/* What is being read holds, by its first bytes; false where they cannot be read. */
static bool look_at_beginning(classify_source *s, attn_seq_input_kind *kind)
{
    const char *bytes;
    const int64_t count = line_reader_beginning(s->reader, &bytes);
    if (count >= 0) *kind = attn_seq_bytes_kind(bytes, (size_t)count);
    return count >= 0;
}

static int refuse_kind(classify_source *s, const char *path, attn_seq_input_kind kind)
{
    char why[160];
    input_kind_mismatch(kind, (attn_seq_input_kind)s->kind, why, sizeof why);
    return add_refused(s, path, why);
}

/* The image or the recording, or the images of an IDX file, that the reader gives in place of lines: the library reads
 * them by a name. */
static int begin_whole(classify_source *s)
{
    const char *name = s->whole;
    char problem[160], *path = spooled_file(s->reader, problem, sizeof problem);
    int status = 0;
    s->whole = NULL;
    if (!path)
        status = add_refused(s, name, problem);
    else if (attn_seq_inputs_read(path, &s->inputs, &s->input_count))
        status = add_refused(s, name, classify_item_words(path));
    else
        s->named = !input_kind_many(path);
    s->input = 0;
    s->inputs_name = name;
    if (s->input_count > 0 && (int)s->inputs->kind != s->kind) {
        status = refuse_kind(s, name, s->inputs->kind);
        s->input_count = 0;
    }
    end_lines(s);
    if (path) unlink(path);
    free(path);
    return status;
}

static int begin_lines(classify_source *s, const char *path)
{
    attn_seq_input_kind kind;
    s->reader = line_reader_open(path);
    s->line = 0;
    if (!s->reader) return add_refused(s, path, strerror(errno));
    bool readable = look_at_beginning(s, &kind);
    if (readable && kind != ATTN_SEQ_INPUT_TEXT && s->kind == ATTN_SEQ_INPUT_TEXT) {
        end_lines(s);
        return refuse_kind(s, path, kind);
    }
    if (readable && kind != ATTN_SEQ_INPUT_TEXT) {
        s->whole = path;
        return 0;
    }
    if (readable && read_lines(s)) return 0;
    int status = add_refused(s, line_reader_name(s->reader), line_reader_problem(s->reader));
    end_lines(s);
    return status;
}

static int none_can_be_read(const classify_source *s)
{
    attn_seq_input_kind kind;
    for (int i = 0; i < s->count; i++)
        if (input_kind_of_file(s->files[i], &kind))
            failure_of_input(s->command, s->files[i], classify_item_words(s->files[i]));
    return 1;
}

/* An empty file or a web page that was saved by a picture's name, say: no lines of text. */
static bool is_only_named_so(const char *path, attn_seq_input_kind holds)
{
    struct stat is;
    return holds == ATTN_SEQ_INPUT_TEXT && input_kind_of_name(path) > ATTN_SEQ_INPUT_TEXT && stat(path, &is) == 0 &&
           S_ISREG(is.st_mode);
}

/* The first operand that can be read tells what all of them are: by its first bytes or, where it holds lines, by its
 * name or what the first of these names. It is then being read. */
static int find_kind(classify_source *s)
{
    attn_seq_input_kind kind = ATTN_SEQ_INPUT_TEXT;
    int unread = 0;
    while (unread < s->count && input_kind_of_file(s->files[unread], &kind)) unread++;
    if (unread == s->count) return none_can_be_read(s);
    s->kind = is_only_named_so(s->files[unread], kind) ? input_kind_of_name(s->files[unread]) : (int)kind;
    s->unread = s->files;
    s->unread_count = unread;
    s->files += unread;
    s->count -= unread;
    if (s->kind != ATTN_SEQ_INPUT_TEXT || !(s->reader = line_reader_open(*s->files))) return 0;
    bool readable = look_at_beginning(s, &kind);
    if (readable && kind != ATTN_SEQ_INPUT_TEXT)
        s->whole = *s->files;
    else if (!readable || !read_lines(s)) {
        end_lines(s); /* told when its turn has come */
        return 0;
    }
    s->kind = (int)(s->whole ? kind : input_kind_of_lines(s->lines, s->line_end));
    s->files++;
    s->count--;
    return 0;
}

classify_source *classify_source_open(const char *command, char **files, int count, int kind)
{
    static char *standard_input[] = {"-"};
    classify_source *s = calloc(1, sizeof *s);
    if (s) {
        *s = (classify_source){.command = command, .files = files, .count = count, .kind = kind};
        s->lines = calloc(WINDOW, sizeof *s->lines);
        s->items = calloc(WINDOW, sizeof *s->items);
    }
    if (s && count == 0) {
        s->files = standard_input;
        s->count = 1;
    }
    if (!s || !s->lines || !s->items)
        failure(command, "no memory to read the input");
    else if (kind != KIND_UNKNOWN || !find_kind(s))
        return s;
    classify_source_close(s);
    return NULL;
}

static bool add_line(classify_source *s, const read_line *line)
{
    classify_item *item = add_item(s);
    s->line++;
    item->name = read_line_string(line);
    if (!item->name || asprintf(&item->place, "%s:%" PRId64, line_reader_name(s->reader), s->line) < 0) return false;
    if (line->too_long) return (item->problem = strdup("the line is longer than 16 MB"));
    if (s->kind != ATTN_SEQ_INPUT_TEXT && strlen(item->name) < line->text.length)
        return (item->problem = strdup("a NUL byte in the line, expected one path a line"));
    if (s->kind != ATTN_SEQ_INPUT_TEXT && input_kind_blank(item->name)) return (item->blank = true);
    if (s->kind != ATTN_SEQ_INPUT_TEXT) return classify_item_read(item);
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
        if (s->named) {
            if (!(item->name = strdup(s->inputs_name)) || !(item->place = strdup(s->inputs_name))) return no_memory(s);
        } else if (asprintf(&item->place, "%s:%" PRId64, s->inputs_name, s->input + 1) < 0)
            return no_memory(s);
    }
    return 0;
}

static int add_file(classify_source *s, const char *path)
{
    return classify_item_of_file(add_item(s), path) ? 0 : no_memory(s);
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
    s->named = false;
    s->input = 0;
    s->input_count = count;
    return 0;
}

static int begin_file(classify_source *s, const char *path)
{
    attn_seq_input_kind kind;
    if (input_kind_of_file(path, &kind)) return refuse_unread(s, path);
    if (s->kind != ATTN_SEQ_INPUT_TEXT && is_only_named_so(path, kind)) return add_file(s, path);
    if (kind == ATTN_SEQ_INPUT_TEXT) return begin_lines(s, path);
    if (s->kind == ATTN_SEQ_INPUT_TEXT) return refuse_kind(s, path, kind);
    return input_kind_many(path) ? begin_inputs(s, path) : add_file(s, path);
}

/* Whether there is something to give at once. */
static bool is_waiting(const classify_source *s)
{
    return s->input < s->input_count || s->line_begin < s->line_end;
}

/* What is being read goes on, and when it has ended, is put away. */
static int read_on(classify_source *s)
{
    int status = 0;
    attn_seq_inputs_free(s->inputs);
    s->inputs = NULL;
    if (!s->reader) return 0;
    if (!read_lines(s)) status = add_refused(s, line_reader_name(s->reader), line_reader_problem(s->reader));
    if (s->line_end == 0) end_lines(s);
    return status;
}

int64_t classify_source_next(classify_source *s, classify_item **items)
{
    clear_items(s);
    *items = s->items;
    int64_t most = s->kind == ATTN_SEQ_INPUT_TEXT ? WINDOW : FILES_WINDOW;
    int failed = 0;
    while (!failed && s->item_count < most) {
        if (s->unread_count > 0) {
            s->unread_count--;
            failed = refuse_unread(s, *s->unread++);
        } else if (is_waiting(s)) {
            failed = s->input < s->input_count ? give_inputs(s) : give_lines(s);
        } else if (s->whole) {
            failed = begin_whole(s);
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
