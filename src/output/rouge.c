#include "output/rouge.h"

#include "base/status.h"
#include "output/ngrams.h"
#include "output/words.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Two letters beyond ASCII have lower-case forms that begin with ASCII's: the Kelvin sign, k, and the capital I with a
 * dot, i and a combining dot. Returns their bytes, 0 where there is neither. */
static size_t ascii_of(const char *text, char *lower)
{
    if (!strncmp(text, "\xe2\x84\xaa", 3)) return *lower = 'k', 3;
    if (!strncmp(text, "\xc4\xb0", 2)) return *lower = 'i', 2;
    return 0;
}

attn_status rouge_tokenize(const char *text, char **tokens)
{
    *tokens = malloc(strlen(text) + 1);
    if (!*tokens) return status_fail(ATTN_ERROR_MEMORY, "no memory for the words of a line of %zu bytes", strlen(text));
    char *to = *tokens;
    bool separated = false;
    while (*text) {
        char c = *text >= 'A' && *text <= 'Z' ? (char)(*text - 'A' + 'a') : *text;
        size_t bytes = ascii_of(text, &c);
        bool dotted = bytes == 2; /* the dot above its i separates */
        text += bytes ? bytes : 1;
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
            if (separated && to > *tokens) *to++ = ' ';
            *to++ = c;
            separated = dotted;
        } else {
            separated = true;
        }
    }
    *to = '\0';
    return ATTN_OK;
}

typedef struct numbered_text {
    uint32_t *numbers;
    int64_t length;
} numbered_text;

static attn_status number_text(words *w, const char *text, numbered_text *out)
{
    char *tokens;
    attn_status status = rouge_tokenize(text, &tokens);
    if (status) return status;
    status = words_number(w, tokens, &out->numbers, &out->length);
    free(tokens);
    return status;
}

static double f_measure(int64_t matches, int64_t written, int64_t expected)
{
    if (matches == 0) return 0;
    double precision = (double)matches / (double)written, recall = (double)matches / (double)expected;
    return 2 * precision * recall / (precision + recall);
}

static attn_status score_ngrams(const numbered_text *a, const numbered_text *b, int order, double *f)
{
    ngrams mine = {0}, theirs = {0};
    attn_status status = ngrams_count(&mine, a->numbers, a->length, order);
    if (!status) status = ngrams_count(&theirs, b->numbers, b->length, order);
    if (!status) *f = f_measure(ngrams_matches(&mine, &theirs), mine.total, theirs.total);
    ngrams_clear(&mine);
    ngrams_clear(&theirs);
    return status;
}

/* The longest common subsequence of a and b: row[j] is that of the words of a so far and the first j of b. */
static int64_t longest_common(const numbered_text *a, const numbered_text *b, int64_t *row)
{
    memset(row, 0, ((size_t)b->length + 1) * sizeof *row);
    for (int64_t i = 0; i < a->length; i++) {
        int64_t before = 0; /* the row above, one to the left */
        for (int64_t j = 1; j <= b->length; j++) {
            int64_t above = row[j];
            if (a->numbers[i] == b->numbers[j - 1])
                row[j] = before + 1;
            else if (row[j - 1] > above)
                row[j] = row[j - 1];
            before = above;
        }
    }
    return row[b->length];
}

static attn_status score_subsequence(const numbered_text *a, const numbered_text *b, double *f)
{
    int64_t *row = malloc(((size_t)b->length + 1) * sizeof *row);
    if (!row) return status_fail(ATTN_ERROR_MEMORY, "no memory for a line of %lld words", (long long)b->length);
    *f = f_measure(longest_common(a, b, row), a->length, b->length);
    free(row);
    return ATTN_OK;
}

static void raise(double *best, double f)
{
    if (f > *best) *best = f;
}

static attn_status add_segment(words *w, const attn_seq_segment *segment, rouge_score *sum)
{
    numbered_text hypothesis = {0};
    attn_status status = number_text(w, segment->hypothesis, &hypothesis);
    rouge_score best = {0};
    for (int64_t r = 0; r < segment->reference_count && !status; r++) {
        numbered_text reference = {0};
        double one = 0, two = 0, longest = 0;
        status = number_text(w, segment->references[r], &reference);
        if (!status) status = score_ngrams(&hypothesis, &reference, 1, &one);
        if (!status) status = score_ngrams(&hypothesis, &reference, 2, &two);
        if (!status) status = score_subsequence(&hypothesis, &reference, &longest);
        raise(&best.rouge_1, one);
        raise(&best.rouge_2, two);
        raise(&best.rouge_l, longest);
        free(reference.numbers);
    }
    free(hypothesis.numbers);
    sum->rouge_1 += best.rouge_1;
    sum->rouge_2 += best.rouge_2;
    sum->rouge_l += best.rouge_l;
    return status;
}

attn_status rouge_corpus(const attn_seq_segment *segments, int64_t count, rouge_score *out)
{
    rouge_score sum = {.references = scored_segments_references(segments, count)};
    words *w = words_create();
    if (!w) return status_fail(ATTN_ERROR_MEMORY, "no memory for a table of words");
    attn_status status = ATTN_OK;
    for (int64_t i = 0; i < count && !status; i++) {
        status = segments[i].reference_count < 1
                     ? status_fail(ATTN_ERROR_ARGUMENT, "segment %lld has no reference", (long long)i)
                     : add_segment(w, &segments[i], &sum);
        words_reset(w);
    }
    words_destroy(w);
    if (status) return status;
    double scale = count ? 100.0 / (double)count : 0;
    *out = (rouge_score){sum.rouge_1 * scale, sum.rouge_2 * scale, sum.rouge_l * scale, sum.references};
    return ATTN_OK;
}

int rouge_signature(const rouge_score *score, char *text, size_t size)
{
    char references[24] = "var";
    if (score->references != REFERENCES_VARY) snprintf(references, sizeof references, "%" PRId64, score->references);
    return snprintf(text, size, "nrefs:%s|case:lower|tok:[a-z0-9]+|stem:no|avg:mean|version:attn-%s", references,
                    attn_version());
}

int rouge_line(const rouge_score *score, char *text, size_t size)
{
    char signature[160];
    rouge_signature(score, signature, sizeof signature);
    return snprintf(text, size, "ROUGE|%s = 1: %.2f 2: %.2f L: %.2f", signature, score->rouge_1, score->rouge_2,
                    score->rouge_l);
}
