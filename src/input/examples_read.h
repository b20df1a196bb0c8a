/* The ways to read an example_list, and what they share (example_list.c): for examples.c and for them alone. */
#ifndef INPUT_EXAMPLES_READ_H
#define INPUT_EXAMPLES_READ_H

#include "input/examples.h"

/* Appends an example; the texts are copied. Labels are not yet sorted. */
attn_status example_list_append(example_list *l, const char *label, size_t label_bytes, const char *content,
                                size_t content_bytes);

/* Whether a file of this name holds an image or a recording. */
bool example_kind_of_name(const char *name, size_t bytes, example_kind *kind);

attn_status example_list_read_lines(example_list *l, const char *path);
attn_status example_list_read_folder(example_list *l, const char *path);
attn_status example_list_read_idx(example_list *l, const char *path, const char *labels_path);

/* The kind of the first example in a folder; FORMAT when there is none. */
attn_status example_folder_kind(const char *path, example_kind *kind);

#endif
