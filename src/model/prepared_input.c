#include "model/prepared_input.h"

#include "base/plural.h"
#include "base/status.h"
#include "model/checked_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_blank(attn_seq_text text)
{
    for (size_t i = 0; i < text.length; i++)
        if (!strchr(" \t\r\n\f\v", text.bytes[i]) || !text.bytes[i]) return false;
    return true;
}

static attn_status prepare_text(prepared_input *p, const attn_seq_model *m, attn_seq_text text)
{
    attn_status status = checked_text(text.bytes, text.length);
    if (status != ATTN_OK) return status;
    p->blank = is_blank(text);
    if (p->blank) return ATTN_OK;
    status = tokenizer_encode(m->tokenizer, TOKENIZER_SOURCE, text.bytes, text.length, &p->ids, &p->length);
    if (status != ATTN_OK) return status;
    int64_t whole = p->length;
    p->length = tokenizer_shorten(m->tokenizer, p->ids, whole, m->classifier->config.max_positions);
    p->cut = p->length < whole;
    p->blank = p->length == 0;
    return ATTN_OK;
}

/* Room for one image or spectrogram, which are as long as the network's patches are many. */
static attn_status take_values(prepared_input *p, const classifier_config *c)
{
    const patch_grid g = classifier_patch_grid(c);
    p->length = g.classes + g.rows * g.columns;
    p->values = malloc((size_t)(c->channels * c->rows * c->columns) * sizeof *p->values);
    return p->values ? ATTN_OK : status_fail(ATTN_ERROR_MEMORY, "no memory to prepare the input");
}

static attn_status prepare_image(prepared_input *p, const attn_seq_model *m, attn_seq_image image)
{
    if (!image.pixels) return status_fail(ATTN_ERROR_FORMAT, "an image's pixels are NULL, expected pixels");
    if (image.width < 1 || image.height < 1 || image.width > PICTURE_MOST_SIDE || image.height > PICTURE_MOST_SIDE ||
        (image.channels != 1 && image.channels != 3))
        return status_fail(
            ATTN_ERROR_FORMAT, "an image of %lld x %lld pixels and %lld channels, expected 1 to %d a side, and 1 or 3",
            (long long)image.width, (long long)image.height, (long long)image.channels, PICTURE_MOST_SIDE);
    const picture from = {image.width, image.height, image.channels, (uint8_t *)image.pixels};
    attn_status status = take_values(p, &m->classifier->config);
    return status == ATTN_OK ? image_prepare(&m->image, "the image", &from, p->values) : status;
}

static attn_status prepare_sound(prepared_input *p, const attn_seq_model *m, attn_seq_audio audio)
{
    if (!audio.samples) return status_fail(ATTN_ERROR_FORMAT, "a recording's samples are NULL, expected samples");
    if (audio.count < 0 || audio.count > SOUND_MOST_SAMPLES || audio.rate < 1 || audio.rate > SOUND_MOST_RATE)
        return status_fail(ATTN_ERROR_FORMAT, "%lld sample%s, %lld a second, expected at most %lld, %d a second",
                           (long long)audio.count, plural(audio.count), (long long)audio.rate,
                           (long long)SOUND_MOST_SAMPLES, SOUND_MOST_RATE);
    for (int64_t i = 0; i < audio.count; i++)
        if (!isfinite(audio.samples[i]))
            return status_fail(ATTN_ERROR_FORMAT, "sample %lld is %g, expected a number near -1 to 1", (long long)i,
                               (double)audio.samples[i]);
    const sound from = {audio.rate, audio.count, (float *)audio.samples};
    attn_status status = take_values(p, &m->classifier->config);
    return status == ATTN_OK ? spectrogram_compute(m->spectrogram, "the recording", &from, p->values) : status;
}

static attn_status prepare(prepared_input *p, const attn_seq_model *model, const attn_seq_input *input)
{
    switch (model->architecture->task) {
    case ATTN_SEQ_TASK_CLASSIFY_IMAGE:
        return prepare_image(p, model, input->image);
    case ATTN_SEQ_TASK_CLASSIFY_AUDIO:
        return prepare_sound(p, model, input->audio);
    default:
        return prepare_text(p, model, input->text);
    }
}

attn_status prepared_input_make(prepared_input *p, const attn_seq_model *model, const attn_seq_input *input)
{
    *p = (prepared_input){0};
    attn_status status = prepare(p, model, input);
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
