#include "model/translator_family.h"

static const translator_family families[TRANSLATOR_KINDS] = {
    /* Junczys-Dowmunt et al., "Marian: Fast Neural Machine Translation in C++" (2018) */
    [TRANSLATOR_MARIAN] = {.model_type = "marian",
                           .architecture = "MarianMTModel",
                           .separate_vocabularies = true,
                           .scale_embedding = true,
                           .pad_id = TRANSLATOR_ID_REQUIRED,
                           .eos_id = 0,
                           .decoder_start_id = TRANSLATOR_ID_PAD},
    /* Lewis et al., "BART" (2020). Its positions begin at 2: fairseq's began behind <pad>'s id, which was 1. */
    [TRANSLATOR_BART] = {.model_type = "bart",
                         .architecture = "BartForConditionalGeneration",
                         .learned_positions = true,
                         .position_offset = 2,
                         .embedding_norm = true,
                         .pad_id = 1,
                         .eos_id = 2,
                         .decoder_start_id = 2},
    /* Marian's with an attention that no family of transformers has together: a name of our own. */
    [TRANSLATOR_OWN] = {.model_type = "attn-transformer",
                        .architecture = "TransformerTranslator",
                        .separate_vocabularies = true,
                        .chosen_attention = true,
                        .scale_embedding = true,
                        .pad_id = TRANSLATOR_ID_REQUIRED,
                        .eos_id = 0,
                        .decoder_start_id = TRANSLATOR_ID_PAD},
};

const translator_family *translator_family_of(translator_kind kind)
{
    return &families[kind];
}
