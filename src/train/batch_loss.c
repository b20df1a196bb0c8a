#include "train/batch_loss.h"

tensor *batch_loss(tape *t, translator *m, const batch *b, uint64_t key, float label_smoothing, double *nll,
                   int64_t *counted)
{
    tape_begin(t, key);
    tensor *memory = translator_encode(t, m, b->source, b->count, b->source_length, b->source_lengths, NULL);
    tensor *logits =
        translator_decode(t, m, memory, b->source_lengths, b->decoder_input, b->count, b->target_length, NULL);
    return tape_cross_entropy(t, logits, b->expected, label_smoothing, nll, counted);
}
