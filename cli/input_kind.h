/* What an input is, text, image or sound: of a file that is named as an operand, and of a line that may name one. */
#ifndef CLI_INPUT_KIND_H
#define CLI_INPUT_KIND_H

#include "line_reader.h"

#include "attn/seq.h"

/* By the file's first bytes. Of standard input (-) and of a pipe, whose bytes are to be had once only, it is left to
 * who reads them: text. */
attn_status input_kind_of_file(const char *path, attn_seq_input_kind *kind);

/* What a file of that name should be, by the name's ending: an attn_seq_input_kind; -1 where that is not known. */
int input_kind_of_name(const char *path);

/* What the first line that is not blank names, where it names a file; else text. */
attn_seq_input_kind input_kind_of_lines(const read_line *lines, int64_t count);

/* Whether a line that should be a path is white space alone. */
bool input_kind_blank(const char *path);

/* Whether a file of images may hold several: an IDX file begins with 0, or with gzip's mark, as no PNG or JPEG does. */
bool input_kind_many(const char *path);

/* "a recording, expected an image: ..." */
void input_kind_mismatch(attn_seq_input_kind kind, attn_seq_input_kind expected, char *why, size_t size);

#endif
