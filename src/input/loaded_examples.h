/* Labelled examples in memory, ready for batches: token ids, pixels of one size, or samples of one rate. */
#ifndef INPUT_LOADED_EXAMPLES_H
#define INPUT_LOADED_EXAMPLES_H

#include "input/examples.h"
#include "input/image.h"
#include "input/tokenizer.h"

typedef struct loaded_examples {
    example_kind kind;
    int64_t count;
    int32_t *label;
    int64_t *start;   /* count + 1: where the ids or samples of each begin; NULL for images */
    int32_t *ids;     /* text */
    int64_t too_long; /* texts that were cut */
    float *samples;   /* audio */
    int64_t rate;     /* samples a second */
    uint8_t *pixels;  /* images: (count, side, side, channels) */
    int64_t side, channels;
    int64_t patch; /* that divides the side */
} loaded_examples;

/* Each fills *out, which is overwritten and must be cleared by the caller also after a failure. The list is no longer
 * needed afterwards. */

/* Texts as the tokenizer has them, with its special tokens, cut to `longest` ids. */
attn_status loaded_examples_text(loaded_examples *out, const example_list *l, const tokenizer *k, int64_t longest);

/* What images are made: side x side pixels, to be cut in patches of patch x patch, with `channels`. What is 0 becomes
 * what suits the list: the larger side of its first image, at most 64, rounded up to whole patches; patches of which at
 * least 4 make a side; 1 channel if all images are grey, otherwise 3. An image is at most so many patches, which is
 * known as soon as the first one is read. */
typedef struct image_sizes {
    int64_t side, channels, patch, most_patches;
    image_filter filter; /* that scales them */
} image_sizes;

attn_status loaded_examples_images(loaded_examples *out, const example_list *l, const image_sizes *sizes);

/* Recordings, all at `rate` samples a second, or, where rate is 0, at that of the first. */
attn_status loaded_examples_audio(loaded_examples *out, const example_list *l, int64_t rate);

/* Recordings at another rate, once and for all. */
attn_status loaded_examples_resample(loaded_examples *e, int64_t rate);

/* FNV-1a over labels and contents. */
uint64_t loaded_examples_fingerprint(const loaded_examples *e);

/* Ids of a text, samples of a recording. */
static inline int64_t loaded_examples_length(const loaded_examples *e, int64_t i)
{
    return e->start[i + 1] - e->start[i];
}

void loaded_examples_clear(loaded_examples *e);

#endif
