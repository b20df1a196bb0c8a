/* Small sets of examples that can be learnt, in scratch_directory: texts.tsv, images-idx3-ubyte and its labels, tones
 * and fast-tones, folders of recordings. */
#ifndef TESTS_EXAMPLES_TO_LEARN_H
#define TESTS_EXAMPLES_TO_LEARN_H

#include "../scratch.h"

#include <math.h>
#include <sys/stat.h>

/* Sentences that praise and sentences that do not. */
static inline void write_texts(void)
{
    static const char *const praise[] = {"fine", "great", "lovely", "clever"};
    static const char *const blame[] = {"poor", "dull", "awful", "silly"};
    static const char *const what[] = {"film", "book", "song", "story", "game"};
    FILE *f = fopen(scratch_path("texts.tsv"), "w");
    for (int i = 0; i < 80; i++)
        fprintf(f, "%s\ta %s %s\n", i % 2 ? "bad" : "good", (i % 2 ? blame : praise)[i / 2 % 4], what[i / 8 % 5]);
    fclose(f);
}

/* Images with a bright stripe: upright ones and flat ones, one dim pixel elsewhere. */
static inline void write_images(void)
{
    FILE *images = fopen(scratch_path("images-idx3-ubyte"), "wb");
    FILE *labels = fopen(scratch_path("labels-idx1-ubyte"), "wb");
    fwrite("\0\0\x08\3\0\0\0\x40\0\0\0\x08\0\0\0\x08", 1, 16, images);
    fwrite("\0\0\x08\1\0\0\0\x40", 1, 8, labels);
    for (int i = 0; i < 64; i++) {
        unsigned char pixels[8][8] = {{0}};
        for (int j = 1; j < 7; j++) {
            int at = 2 + i / 2 % 4;
            *(i % 2 ? &pixels[j][at] : &pixels[at][j]) = 220;
        }
        pixels[i % 8][i / 8] ^= 40;
        fwrite(pixels, 1, sizeof pixels, images);
        fputc(i % 2, labels);
    }
    fclose(images);
    fclose(labels);
}

static inline void write_number(FILE *f, unsigned value, int bytes)
{
    for (int i = 0; i < bytes; i++) fputc((int)(value >> (8 * i) & 255), f);
}

static inline void write_tone(const char *name, double hertz, int count, unsigned rate)
{
    FILE *f = fopen(scratch_path(name), "wb");
    fwrite("RIFF", 1, 4, f);
    write_number(f, 36 + 2 * (unsigned)count, 4);
    fwrite("WAVEfmt \x10\0\0\0\1\0\1\0", 1, 16, f);
    write_number(f, rate, 4);
    write_number(f, 2 * rate, 4);
    fwrite("\2\0\x10\0data", 1, 8, f);
    write_number(f, 2 * (unsigned)count, 4);
    for (int i = 0; i < count; i++)
        write_number(f, (unsigned)(int)(8000 * sin(2 * M_PI * hertz * i / rate)) & 0xFFFF, 2);
    fclose(f);
}

static inline void write_tones(const char *folder, int rate)
{
    char name[64];
    mkdir(scratch_path(folder), 0700);
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "%s/%s", folder, i % 2 ? "high" : "low");
        if (i < 2) mkdir(scratch_path(name), 0700);
        snprintf(name, sizeof name, "%s/%s/%02d.wav", folder, i % 2 ? "high" : "low", i);
        write_tone(name, (i % 2 ? 1500 : 300) + 10 * i, (1600 + 40 * i) * (rate / 8000), (unsigned)rate);
    }
}

/* Creates the directory, too: a group's setup. */
static inline int write_examples(void **state)
{
    if (scratch_create(state)) return -1;
    write_texts();
    write_images();
    write_tones("tones", 8000);
    write_tones("fast-tones", 16000);
    return 0;
}

#endif
