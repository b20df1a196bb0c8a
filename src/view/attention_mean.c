#include "attn/seq.h"
#include "base/status.h"

attn_status attn_seq_attention_mean(const attn_seq_attention *attention, int64_t layer, int64_t head, float *mean)
{
    if (!attention || !mean)
        return status_fail(ATTN_ERROR_ARGUMENT, "the %s is NULL", attention ? "mean" : "attention");
    if (layer < -1 || layer >= attention->layers)
        return status_fail(ATTN_ERROR_ARGUMENT, "layer %lld, expected 0 to %lld, or -1 for the mean", (long long)layer,
                           (long long)attention->layers - 1);
    if (head < -1 || head >= attention->heads)
        return status_fail(ATTN_ERROR_ARGUMENT, "head %lld, expected 0 to %lld, or -1 for the mean", (long long)head,
                           (long long)attention->heads - 1);
    int64_t cells = attention->rows * attention->columns;
    int64_t layer_first = layer < 0 ? 0 : layer, layer_end = layer < 0 ? attention->layers : layer + 1;
    int64_t head_first = head < 0 ? 0 : head, head_end = head < 0 ? attention->heads : head + 1;
    double count = (double)((layer_end - layer_first) * (head_end - head_first));
    for (int64_t cell = 0; cell < cells; cell++) {
        double sum = 0;
        for (int64_t l = layer_first; l < layer_end; l++)
            for (int64_t h = head_first; h < head_end; h++)
                sum += attention->weights[(l * attention->heads + h) * cells + cell];
        mean[cell] = (float)(sum / count);
    }
    return ATTN_OK;
}
