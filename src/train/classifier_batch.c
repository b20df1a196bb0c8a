#include "train/classifier_batch.h"

#include "base/parallel.h"
#include "base/random.h"
#include "base/status.h"
#include "input/augment_audio.h"
#include "input/augment_image.h"

#include <stdlib.h>
#include <string.h>

/* At strength 1, so many pieces of a text are made unknown. */
#define PIECES_HIDDEN 0.1

/* What augmentation begins with: an example's place in its set keys its own numbers. */
static uint64_t example_key(uint64_t key, int64_t example)
{
    return random_derive(key, (uint64_t)example);
}

static bool grow(void **memory, int64_t *capacity, int64_t count, size_t size)
{
    if (count <= *capacity) return true;
    void *m = realloc(*memory, (size_t)count * size);
    if (!m) return false;
    *memory = m;
    *capacity = count;
    return true;
}

static attn_status reserve(classifier_batch *b, int64_t count, int64_t ids, int64_t values)
{
    int64_t capacity = b->capacity;
    bool fits = grow((void **)&b->expected, &capacity, count, sizeof *b->expected) &&
                grow((void **)&b->lengths, &b->capacity, count, sizeof *b->lengths) &&
                grow((void **)&b->ids, &b->id_capacity, ids, sizeof *b->ids) &&
                grow((void **)&b->values, &b->value_capacity, values, sizeof *b->values);
    return fits ? ATTN_OK
                : status_fail(ATTN_ERROR_MEMORY, "out of memory for a batch of %lld examples", (long long)count);
}

/* ---- text ------------------------------------------------------------------------------------------------------- */

/* Makes pieces unknown; special tokens stay. */
static void hide_pieces(const tokenizer *k, int32_t *ids, int64_t length, double share, uint64_t key)
{
    const int32_t unknown = tokenizer_unk_id(k);
    for (int64_t i = 0; i < length; i++) {
        const random_block r = random_philox(key, (uint64_t)i, 0);
        if ((double)random_unit(r.word[0]) < share && !tokenizer_is_special(k, TOKENIZER_SOURCE, ids[i]))
            ids[i] = unknown;
    }
}

static attn_status fill_text(classifier_batch *b, const batch_maker *m, const int64_t *chosen, int64_t count,
                             uint64_t key)
{
    const loaded_examples *e = m->examples;
    int64_t longest = 1;
    for (int64_t i = 0; i < count; i++) {
        int64_t length = loaded_examples_length(e, chosen[i]);
        if (length > longest) longest = length;
    }
    attn_status s = reserve(b, count, count * longest, 0);
    if (s != ATTN_OK) return s;
    for (int64_t i = 0; i < count; i++) {
        int32_t *row = b->ids + i * longest;
        const int64_t length = b->lengths[i] = loaded_examples_length(e, chosen[i]);
        memcpy(row, e->ids + e->start[chosen[i]], (size_t)length * sizeof *row);
        if (m->augment > 0)
            hide_pieces(m->data->tokenizer, row, length, PIECES_HIDDEN * m->augment, example_key(key, chosen[i]));
        for (int64_t j = length; j < longest; j++) row[j] = m->pad_id;
    }
    b->input.ids = b->ids;
    b->input.length = longest;
    b->input.lengths = b->lengths;
    return ATTN_OK;
}

/* ---- images and audio: one task an example ------------------------------------------------------------------------
 */

typedef struct filling {
    const batch_maker *m;
    const int64_t *chosen;
    float *values;
    int64_t size; /* values of an example */
    uint64_t key;
    attn_status *status; /* of each example */
} filling;

static void fill_image(void *argument, int64_t task, int worker)
{
    (void)worker;
    const filling *f = argument;
    const loaded_examples *e = f->m->examples;
    const int64_t example = f->chosen[task], size = e->side * e->side * e->channels;
    picture p = {0};
    attn_status s = picture_create(&p, "image", e->side, e->side, e->channels);
    if (s == ATTN_OK) {
        augment_image(e->pixels + example * size, p.pixels, e->side, e->side, e->channels, f->m->augment,
                      example_key(f->key, example));
        s = image_prepare(&f->m->data->image, "image", &p, f->values + task * f->size);
    }
    picture_clear(&p);
    f->status[task] = s;
}

static void fill_audio(void *argument, int64_t task, int worker)
{
    (void)worker;
    const filling *f = argument;
    const loaded_examples *e = f->m->examples;
    const int64_t example = f->chosen[task];
    const uint64_t key = example_key(f->key, example);
    const spectrogram_preparation *p = &f->m->data->sound;
    int64_t count = loaded_examples_length(e, example);
    float *samples = malloc(((size_t)augment_audio_most(count) + SPECTROGRAM_WINDOW) * sizeof *samples);
    if (!samples) {
        f->status[task] = ATTN_ERROR_MEMORY;
        return;
    }
    count = augment_audio(e->samples + e->start[example], count, samples, f->m->augment, key);
    float *values = f->values + task * f->size;
    while (count < SPECTROGRAM_WINDOW) samples[count++] = 0; /* made shorter than the least there can be */
    const sound made = {e->rate, count, samples};
    f->status[task] = spectrogram_compute(f->m->data->spectrogram, "recording", &made, values);
    int64_t frames = spectrogram_frames(count);
    if (frames > p->frames) frames = p->frames;
    /* Normalized values have mean 0. */
    augment_spectrogram(values, frames, p->bins, 0, f->m->augment, key);
    free(samples);
}

static attn_status fill_values(classifier_batch *b, const batch_maker *m, const int64_t *chosen, int64_t count,
                               uint64_t key, int64_t size, attn_task fill)
{
    attn_status s = reserve(b, count, 0, count * size);
    attn_status *status = s == ATTN_OK ? calloc((size_t)count, sizeof *status) : NULL;
    if (!status) return s == ATTN_OK ? status_fail(ATTN_ERROR_MEMORY, "out of memory for a batch") : s;
    filling f = {m, chosen, b->values, size, key, status};
    parallel_for(m->threads, count, fill, &f);
    for (int64_t i = 0; i < count && s == ATTN_OK; i++) s = status[i];
    free(status);
    if (s != ATTN_OK) return status_fail(s, "an example of the batch cannot be prepared");
    b->input.values = b->values;
    return ATTN_OK;
}

attn_status classifier_batch_fill(classifier_batch *b, const batch_maker *m, const int64_t *chosen, int64_t count,
                                  uint64_t key)
{
    const classifier_data *d = m->data;
    b->input = (classifier_input){.batch = count};
    attn_status s;
    if (d->kind == EXAMPLES_TEXT)
        s = fill_text(b, m, chosen, count, key);
    else if (d->kind == EXAMPLES_IMAGE)
        s = fill_values(b, m, chosen, count, key, d->image.width * d->image.height * d->image.channels, fill_image);
    else
        s = fill_values(b, m, chosen, count, key, d->sound.frames * d->sound.bins, fill_audio);
    for (int64_t i = 0; s == ATTN_OK && i < count; i++) b->expected[i] = m->examples->label[chosen[i]];
    return s;
}

void classifier_batch_clear(classifier_batch *b)
{
    free(b->expected);
    free(b->ids);
    free(b->lengths);
    free(b->values);
    *b = (classifier_batch){0};
}
