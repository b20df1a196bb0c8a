/* One input that is to be classified, or why there is none. */
#ifndef CLI_CLASSIFY_ITEM_H
#define CLI_CLASSIFY_ITEM_H

#include "attn/seq.h"

typedef struct classify_item {
    attn_seq_input input;
    char *name;           /* text: the line; image and sound: its path; of an IDX file, and where the input is a file of
                           * texts that was refused, NULL */
    bool blank;           /* a line of white space alone where a path could stand: there is no input, nor a problem */
    char *problem;        /* why there is no input; NULL: there is */
    char *place;          /* for messages: "book.txt:3", "images.idx:17" or the path */
    attn_seq_input *read; /* of one file, for this item alone; NULL: the input belongs to another */
} classify_item;

/* Each of these fills an item that is zero but for its input's kind, which it is expected to be of. False where there
 * is no memory. */

/* What cannot be read, or is of another kind, which `why` tells. */
bool classify_item_refuse(classify_item *item, const char *path, const char *why);

/* The one input of the file that the item's name names; its place is set too. */
bool classify_item_read(classify_item *item);

/* The file by itself. */
bool classify_item_of_file(classify_item *item, const char *path);

void classify_item_clear(classify_item *item);

/* The library's last words, without the file that they begin with where that is the place, which is told anyway. */
const char *classify_item_words(const char *place);

#endif
