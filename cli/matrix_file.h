/* Small matrices from csv or npy files. */
#ifndef CLI_MATRIX_FILE_H
#define CLI_MATRIX_FILE_H

#include <stddef.h>
#include <stdint.h>

#define MATRIX_MOST_SIDE 32 /* rows or columns: what a person still reads */
#define MATRIX_MOST_COUNT 3

typedef struct matrix {
    int64_t rows, columns;
    float *values; /* (rows, columns) */
} matrix;

typedef struct matrix_list {
    matrix items[MATRIX_MOST_COUNT];
    int count;
} matrix_list;

/* Appends what a file holds: one matrix of an npy file (known by its name's end), or those of a csv file, whose rows
 * are lines of numbers with commas, semicolons or blanks between them, with an empty line between one matrix and the
 * next, and # before remarks. "-" is csv from standard input. Returns 0, or 1 after telling, as `attn COMMAND`, what is
 * wrong where. */
int matrix_list_read(matrix_list *list, const char *command, const char *path);

/* The same of csv that is in memory; path is what messages call it. */
int matrix_list_read_csv(matrix_list *list, const char *command, const char *path, const char *bytes, size_t size);

void matrix_list_clear(matrix_list *list);

#endif
