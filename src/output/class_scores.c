#include "output/class_scores.h"

#include <math.h>

/* F1 = 2 TP / (2 TP + FP + FN) of one class; NaN where it never occurs. */
static double f1(const int64_t *confusion, int64_t labels, int64_t class)
{
    int64_t expected = 0, found = 0, right = confusion[class * labels + class];
    for (int64_t i = 0; i < labels; i++) {
        expected += confusion[class * labels + i];
        found += confusion[i * labels + class];
    }
    return expected + found > 0 ? 2.0 * (double)right / (double)(expected + found) : NAN;
}

class_scores class_scores_of(const int64_t *confusion, int64_t labels)
{
    int64_t right = 0, all = 0, classes = 0;
    double sum = 0;
    for (int64_t i = 0; i < labels; i++) {
        right += confusion[i * labels + i];
        for (int64_t j = 0; j < labels; j++) all += confusion[i * labels + j];
        double score = f1(confusion, labels, i);
        if (isnan(score)) continue;
        sum += score;
        classes++;
    }
    if (all == 0) return (class_scores){NAN, NAN};
    return (class_scores){100.0 * (double)right / (double)all, 100.0 * sum / (double)classes};
}
