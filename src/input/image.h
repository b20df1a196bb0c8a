/* Images as a model takes them: what transformers' ViTImageProcessor makes of a picture, in its Pillow
 * implementation. Its implementation on torchvision, and Pillow 13 where the height shrinks much more than the
 * width, differ from it after resizing by at most one step of 255. */
#ifndef INPUT_IMAGE_H
#define INPUT_IMAGE_H

#include "formats/picture.h"

/* Largest side of what a model takes. */
#define IMAGE_MOST_SIDE 4096

/* Pillow's numbers for its filters, as preprocessor_config.json has them. */
typedef enum image_filter { IMAGE_BILINEAR = 2, IMAGE_BICUBIC = 3 } image_filter;

typedef struct image_preparation {
    int64_t width, height, channels; /* channels: 1 or 3 */
    bool resize;                     /* false: a picture of another size is refused */
    image_filter filter;
    bool rescale;
    double factor; /* each pixel is multiplied by it when rescaling */
    bool normalize;
    double mean[3], deviation[3]; /* of each channel, subtracted and divided by when normalizing */
} image_preparation;

/* ViTImageProcessor's defaults: bilinear, 1/255, mean and deviation 0.5. */
void image_preparation_init(image_preparation *p, int64_t width, int64_t height, int64_t channels);

/* preprocessor_config.json of a model that takes `channels` channels. */
attn_status image_preparation_read(image_preparation *p, const char *path, int64_t channels);
attn_status image_preparation_write(const image_preparation *p, const char *path);

/* Converts to the preparation's channels (grey is repeated; colour becomes its luma), resizes, rescales, normalizes:
 * out (channels, height, width). `name` stands for the picture in messages. */
attn_status image_prepare(const image_preparation *p, const char *name, const picture *from, float *out);

/* The same number of channels in another size, in Pillow's arithmetic: filters widened when shrinking (antialiased),
 * weights of 22 bits, rows first, 8 bits between the passes. On failure *out is all zero. */
attn_status image_resize(picture *out, const char *name, const picture *from, int64_t width, int64_t height,
                         image_filter filter);

#endif
