#include "model/prepared_input.h"

#include "base/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A text too long loses its end, but for the last piece, which ends every text. */
static void cut(prepared_input *p, int64_t most)
{
    if (p->length <= most) return;
    p->ids[most - 1] = p->ids[p->length - 1];
    p->length = most;
    p->cut = true;
}

static bool is_blank(attn_seq_text text)
{
    for (size_t i = 0; i < text.length; i++)
        if (!strchr(" \t\r\n\f\v", text.bytes[i]) || !text.bytes[i]) return false;
    return true;
}

static attn_status prepare_text(prepared_input *p, const attn_seq_model *m, attn_seq_text text)
{
    p->blank = is_blank(text);
    if (p->blank) return ATTN_OK;
    attn_status status = tokenizer_encode(m->tokenizer, TOKENIZER_SOURCE, text.bytes, text.length, &p->ids, &p->length);
    p->blank = p->length == 0;
    if (status == ATTN_OK) cut(p, m->classifier->config.max_positions);
    return status;
}

attn_status prepared_input_make(prepared_input *p, const attn_seq_model *model, const attn_seq_input *input)
{
    *p = (prepared_input){0};
    attn_status status = prepare_text(p, model, input->text);
    if (status == ATTN_OK || status == ATTN_ERROR_MEMORY) return status;
    prepared_input_clear(p);
    p->status = ATTN_ERROR_FORMAT;
    snprintf(p->message, sizeof p->message, "%s", status_message());
    return ATTN_OK;
}

void prepared_input_clear(prepared_input *p)
{
    free(p->ids);
    free(p->values);
    *p = (prepared_input){0};
}
