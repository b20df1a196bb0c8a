/* The lines of a file of shapes. For the benches that measure what such a file lists. */
#ifndef BENCH_SHAPES_FILE_H
#define BENCH_SHAPES_FILE_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Measures one line's shape and prints its row; false: it does not say one. */
typedef bool shape_bench(char *line, bool json);

/* Each line but empty ones and comments; the program ends at one that says no shape. expected: how a line is written.
 */
static inline void shapes_file_bench(const char *path, shape_bench *bench, bool json, const char *expected)
{
    FILE *file = fopen(path, "r");
    if (!file) {
        perror(path);
        exit(1);
    }
    char line[256];
    for (int number = 1; fgets(line, sizeof line, file); number++) {
        if (line[strspn(line, " \t\r\n")] == 0 || line[0] == '#') continue;
        if (bench(line, json)) continue;
        fprintf(stderr, "%s:%d: expected: %s\n", path, number, expected);
        exit(1);
    }
    fclose(file);
}

#endif
