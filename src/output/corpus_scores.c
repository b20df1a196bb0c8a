#include "attn/seq.h"

#include "base/status.h"
#include "output/bleu.h"
#include "output/chrf.h"
#include "output/rouge.h"

attn_status attn_seq_corpus_score(const attn_seq_segment *segments, int64_t count, attn_seq_corpus_scores *scores)
{
    if (!scores || (!segments && count)) return status_fail(ATTN_ERROR_ARGUMENT, "segments or scores is NULL");
    if (count < 0) return status_fail(ATTN_ERROR_ARGUMENT, "count = %lld, expected at least 0", (long long)count);
    if (scores->struct_size != sizeof *scores)
        return status_fail(ATTN_ERROR_ARGUMENT, "scores->struct_size = %zu, expected %zu", scores->struct_size,
                           sizeof *scores);
    bleu_score bleu;
    chrf_score chrf;
    rouge_score rouge;
    attn_status status = bleu_corpus(segments, count, &bleu);
    if (!status) status = chrf_corpus(segments, count, &chrf);
    if (!status) status = rouge_corpus(segments, count, &rouge);
    if (status) return status;
    scores->bleu = bleu.score;
    scores->chrf = chrf.score;
    scores->rouge_1 = rouge.rouge_1;
    scores->rouge_2 = rouge.rouge_2;
    scores->rouge_l = rouge.rouge_l;
    bleu_signature(&bleu, scores->bleu_signature, sizeof scores->bleu_signature);
    chrf_signature(&chrf, scores->chrf_signature, sizeof scores->chrf_signature);
    rouge_signature(&rouge, scores->rouge_signature, sizeof scores->rouge_signature);
    bleu_line(&bleu, scores->bleu_line, sizeof scores->bleu_line);
    chrf_line(&chrf, scores->chrf_line, sizeof scores->chrf_line);
    rouge_line(&rouge, scores->rouge_line, sizeof scores->rouge_line);
    return ATTN_OK;
}
