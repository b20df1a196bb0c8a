#include "train/batch_loss.h"

/* The rows of the batch's (B, T) that are no padding, and what each of them is expected to give. Returns their count.
 */
static int64_t find_rows(const batch *b, int64_t *rows, int32_t *expected)
{
    int64_t count = 0;
    for (int64_t r = 0; r < b->count * b->target_length; r++) {
        if (b->expected[r] < 0) continue;
        rows[count] = r;
        expected[count++] = b->expected[r];
    }
    return count;
}

tensor *batch_loss(tape *t, const seq2seq *m, const batch *b, float label_smoothing, double *nll, int64_t *counted)
{
    int64_t *rows = tape_take(t, b->count * b->target_length, sizeof *rows);
    int32_t *expected = tape_take(t, b->count * b->target_length, sizeof *expected);
    /* The vocabulary's logits are the largest product: for these rows alone. */
    const int64_t count = tape_status(t) == ATTN_OK ? find_rows(b, rows, expected) : 0;
    const source_batch source = {b->source, b->count, b->source_length, b->source_lengths};
    const target_batch target = {b->decoder_input, b->target_length, rows, count};
    tensor *logits = m->family->logits(t, m->network, &source, &target, NULL);
    return tape_cross_entropy(t, logits, expected, label_smoothing, nll, counted);
}
