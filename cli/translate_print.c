#include "translate_print.h"

#include <inttypes.h>
#include <stdio.h>

/* The source word that a target word paid the most attention to; -1 where </s> got more. */
static int64_t aligned_source(const float *row, int64_t words)
{
    int64_t best = -1;
    double sum = 0, most = 0;
    for (int64_t s = 0; s < words; s++) {
        sum += (double)row[s];
        if ((double)row[s] <= most) continue;
        best = s;
        most = (double)row[s];
    }
    return most >= 1 - sum ? best : -1;
}

static void print_hard(const attn_seq_hypothesis *h)
{
    const char *gap = "";
    for (int64_t t = 0; t < h->target_words; t++) {
        int64_t s = aligned_source(h->alignment + t * h->source_words, h->source_words);
        if (s < 0) continue;
        printf("%s%" PRId64 "-%" PRId64, gap, s, t);
        gap = " ";
    }
}

static void print_soft(const attn_seq_hypothesis *h)
{
    for (int64_t t = 0; t < h->target_words; t++) {
        if (t) putchar(' ');
        for (int64_t s = 0; s < h->source_words; s++)
            printf("%s%.4f", s ? "," : "", (double)h->alignment[t * h->source_words + s]);
    }
}

static void print_alignment(int form, const attn_seq_hypothesis *h)
{
    if (form == ALIGNMENT_HARD) print_hard(h);
    if (form == ALIGNMENT_SOFT) print_soft(h);
}

static void print_n_best(const translate_form *form, const attn_seq_hypothesis *h, int64_t id)
{
    printf("%" PRId64 " ||| %s ||| ", id, h->text);
    print_alignment(form->alignment, h);
    printf(" ||| logp= %.6f length= %" PRId64 " ||| %.6f\n", h->log_probability, h->target_length, h->score);
}

void translate_print(const translate_form *form, const attn_seq_translation *t, int64_t id)
{
    if (form->n_best > 0) {
        for (int64_t i = 0; i < t->count; i++) print_n_best(form, &t->hypotheses[i], id);
        return;
    }
    if (t->count > 0) {
        const attn_seq_hypothesis *h = &t->hypotheses[0];
        if (form->scores) printf("%.6f\t", h->score);
        fputs(h->text, stdout);
        if (form->alignment != ALIGNMENT_NONE) fputs(" ||| ", stdout);
        print_alignment(form->alignment, h);
    }
    putchar('\n');
}
