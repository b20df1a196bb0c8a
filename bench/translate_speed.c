/* Sentences a second of greedy and beam decoding, pieces to pieces: what bench/peers/translate_ctranslate2.py measures
 * of CTranslate2 on the same sentences: the better of two runs, each after one that warms up.
 *
 *     bench_translate_speed MODEL FILE BEAM [THREADS] */
#include "base/parallel.h"
#include "base/status.h"
#include "model/decode_sentences.h"
#include "model/seq_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MOST_SENTENCES 100000

static token_list sentences[MOST_SENTENCES];

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static attn_status read_sentences(const tokenizer *k, const char *path, int64_t *count)
{
    FILE *f = fopen(path, "r");
    if (!f) return status_fail(ATTN_ERROR_FILE, "%s: cannot open it", path);
    char *line = NULL;
    size_t room = 0;
    attn_status status = ATTN_OK;
    *count = 0;
    for (ssize_t n; !status && *count < MOST_SENTENCES && (n = getline(&line, &room, f)) > 0;) {
        int32_t *ids;
        status = tokenizer_encode(k, TOKENIZER_SOURCE, line, strcspn(line, "\n"), &ids, &sentences[*count].length);
        if (!status) sentences[(*count)++].ids = ids;
    }
    free(line);
    fclose(f);
    return status;
}

static attn_status measure(const char *directory, const char *path, search_options o)
{
    attn_seq_model *model;
    int64_t count = 0;
    attn_status status = attn_seq_model_open(&model, directory);
    if (status) return status;
    status = read_sentences(model->tokenizer, path, &count);
    hypothesis *results = calloc((size_t)count + 1, sizeof *results);
    if (!results) status = status_fail(ATTN_ERROR_MEMORY, "no memory for %lld sentences", (long long)count);
    double seconds = INFINITY;
    for (int run = 0; run < 4 && !status; run++) {
        hypotheses_clear(results, count);
        double begin = now();
        status = decode_sentences(&model->seq2seq, &o, sentences, count, results);
        if (run % 2) seconds = fmin(seconds, now() - begin);
    }
    int64_t pieces = 0;
    for (int64_t i = 0; i < count && !status; i++) pieces += results[i].length;
    if (!status)
        printf("attn %.1f sentences/s, %.0f tokens/s (beam %lld, %d threads)\n", (double)count / seconds,
               (double)pieces / seconds, (long long)o.beam, o.threads);
    if (results) hypotheses_clear(results, count);
    free(results);
    for (int64_t i = 0; i < count; i++) free((void *)sentences[i].ids);
    attn_seq_model_close(model);
    return status;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: %s MODEL FILE BEAM [THREADS]\n", argv[0]);
        return 2;
    }
    int threads = argc > 4 ? atoi(argv[4]) : parallel_default_threads();
    search_options o = {.beam = atoi(argv[3]), .n_best = 1, .normalize = 1, .threads = threads};
    if (!measure(argv[1], argv[2], o)) return 0;
    fprintf(stderr, "%s\n", status_message());
    return 1;
}
