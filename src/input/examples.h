/* Labelled examples: what there is to learn from, found but not yet read where it lies in files of its own.
 *
 *     a text file, plain or gzip       LABEL TAB TEXT on every line
 *     a list, plain or gzip            LABEL TAB PATH on every line, of .wav or of .png, .jpg, .jpeg files; a relative
 *                                      path starts at the list's folder
 *     a folder                         FOLDER/LABEL/FILE, of one of those kinds
 *     an IDX file, plain or gzip       images, whose labels stand in a second file (LeCun's MNIST format)
 */
#ifndef INPUT_EXAMPLES_H
#define INPUT_EXAMPLES_H

#include "input/labels.h"

typedef enum example_kind { EXAMPLES_TEXT, EXAMPLES_IMAGE, EXAMPLES_AUDIO } example_kind;

/* One of them: "text", "image", "recording". */
const char *example_kind_name(example_kind kind);

typedef struct example_list {
    example_kind kind;
    int64_t count, capacity;
    int32_t *label;        /* of each, in labels */
    char **content;        /* the text, or the file's path; NULL for images of an IDX file */
    label_list labels;     /* sorted */
    unsigned char *pixels; /* of an IDX file: (count, height, width), grey; NULL where images have files */
    int64_t width, height;
    int64_t empty;           /* lines left out: without text */
    int64_t invalid;         /* lines left out: not UTF-8, or with a NUL byte */
    char first_invalid[256]; /* "file:line" of the first of those; "" when none */
    int64_t skipped;         /* files of other kinds in a folder */
} example_list;

/* Finds out the kind of what stands at a path: a folder by its files, an IDX file by its first bytes, anything else by
 * its first line. FORMAT when it is none of them, FILE also for a pipe, which could not be read again. */
attn_status example_kind_of(const char *path, example_kind *kind);

/* labels_path: the labels of an IDX file, NULL for the file of the same name with "labels" for "images" and "idx1" for
 * "idx3". Files of a folder are taken in the order of their labels and names. *out is overwritten, and must be cleared
 * by the caller also after a failure. */
attn_status example_list_read(example_list *out, const char *path, const char *labels_path, example_kind kind);

/* Gives the examples other labels, of `count` names that hold all of theirs: FORMAT names one that these lack, and what
 * they are. whose: "the model", for that message. After a failure *l can only be cleared. */
attn_status example_list_relabel(example_list *l, char *const *names, int64_t count, const char *path,
                                 const char *whose);

/* Moves every example whose place, modulo folds, is `fold` to *held_out, which keeps all labels; the order stays.
 * *held_out is overwritten, and must be cleared by the caller also after a failure. */
attn_status example_list_hold_out(example_list *l, int64_t folds, int64_t fold, example_list *held_out);

void example_list_clear(example_list *l);

#endif
