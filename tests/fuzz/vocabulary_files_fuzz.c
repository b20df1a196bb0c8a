#define _GNU_SOURCE
#include "input/token_pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char directory[64];

static void remove_files(void)
{
    static const char *const names[] = {"vocab.json", "vocab.txt", "merges.txt"};
    char path[128];
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        unlink(path);
    }
    rmdir(directory);
}

static void write_file(const char *name, const void *bytes, size_t size)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, size, f) != size || fclose(f) != 0) abort();
}

static void use(token_pipeline *p)
{
    const char *text = "The cat's two  moons! [CLS] <mask> \xc3\xa9";
    id_list ids = {0};
    char *decoded;
    if (token_pipeline_encode(p, text, strlen(text), &ids) == ATTN_OK &&
        token_pipeline_decode(p, ids.ids, ids.count, &decoded) == ATTN_OK)
        free(decoded);
    free(ids.ids);
    token_pipeline_destroy(p);
}

/* The same bytes as vocab.txt, and as the merges beside a vocabulary of letters. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!*directory) {
        strcpy(directory, "/tmp/attn-fuzz-XXXXXX");
        if (!mkdtemp(directory)) abort();
        atexit(remove_files);
        const char *vocabulary = "{\"<s>\":0,\"</s>\":1,\"a\":2,\"b\":3,\"ab\":4,\"aba\":5,\"\xc4\xa0\":6,\"\xc4\xa0"
                                 "a\":7}";
        write_file("vocab.json", vocabulary, strlen(vocabulary));
    }
    write_file("vocab.txt", data, size);
    write_file("merges.txt", data, size);
    token_pipeline *p;
    if (token_pipeline_open_bert(&p, directory) == ATTN_OK) use(p);
    if (token_pipeline_open_bart(&p, directory) == ATTN_OK) use(p);
    return 0;
}
