/* preprocessor_config.json of images. */
#include "input/image.h"

#include "formats/config.h"
#include "formats/json_file.h"

#include <jansson.h>

#define USUAL_FACTOR (1.0 / 255)

void image_preparation_init(image_preparation *p, int64_t width, int64_t height, int64_t channels)
{
    *p = (image_preparation){.width = width,
                             .height = height,
                             .channels = channels,
                             .resize = true,
                             .filter = IMAGE_BILINEAR,
                             .rescale = true,
                             .factor = USUAL_FACTOR,
                             .normalize = true,
                             .mean = {0.5, 0.5, 0.5},
                             .deviation = {0.5, 0.5, 0.5}};
}

/* {"height": H, "width": W}, or as older files have it, one number for both. */
static void read_size(image_preparation *p, config *f)
{
    if (!config_has(f, "size")) return;
    config *size = config_object(f, "size");
    if (!size) {
        p->width = p->height = config_integer(f, "size", 1, IMAGE_MOST_SIDE);
        return;
    }
    if (!config_has(size, "height") && config_has(size, "shortest_edge"))
        config_refuse(f, ATTN_ERROR_UNSUPPORTED, "size", "height and width");
    p->height = config_integer(size, "height", 1, IMAGE_MOST_SIDE);
    p->width = config_integer(size, "width", 1, IMAGE_MOST_SIDE);
}

/* One number for every channel, or one for each. */
static void read_channels(config *f, const char *field, double least, int64_t channels, double *values)
{
    double read[3] = {values[0], values[1], values[2]};
    int64_t count = config_numbers_or(f, field, least, 1e6, 3, read);
    if (count == 0) return;
    if (count != 1 && count != channels)
        config_refuse(f, ATTN_ERROR_FORMAT, field,
                      channels == 1 ? "1 number, as the model takes 1 channel"
                                    : "3 numbers, as the model takes 3 channels");
    for (int64_t c = 0; c < channels; c++) values[c] = read[count == 1 ? 0 : c];
}

attn_status image_preparation_read(image_preparation *p, const char *path, int64_t channels)
{
    image_preparation_init(p, 224, 224, channels);
    config *f;
    attn_status status = config_open(&f, path);
    if (status != ATTN_OK) return status;
    read_size(p, f);
    p->resize = config_bool_or(f, "do_resize", true);
    int64_t filter = config_integer_or(f, "resample", 0, 5, IMAGE_BILINEAR);
    if (filter != IMAGE_BILINEAR && filter != IMAGE_BICUBIC)
        config_refuse(f, ATTN_ERROR_UNSUPPORTED, "resample", "2 (bilinear) or 3 (bicubic)");
    p->filter = filter == IMAGE_BICUBIC ? IMAGE_BICUBIC : IMAGE_BILINEAR;
    if (config_bool_or(f, "do_center_crop", false)) config_refuse(f, ATTN_ERROR_UNSUPPORTED, "do_center_crop", "false");
    p->rescale = config_bool_or(f, "do_rescale", true);
    p->factor = config_number_or(f, "rescale_factor", 0, 1e6, USUAL_FACTOR);
    p->normalize = config_bool_or(f, "do_normalize", true);
    read_channels(f, "image_mean", -1e6, channels, p->mean);
    read_channels(f, "image_std", 1e-6, channels, p->deviation);
    status = config_status(f);
    config_destroy(f);
    return status;
}

static json_t *numbers(const double *values, int64_t count)
{
    json_t *array = json_array();
    for (int64_t i = 0; i < count; i++)
        if (json_array_append_new(array, json_real(values[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

/* The usual factor is left to the reader's default, which no decimal number is exactly. */
attn_status image_preparation_write(const image_preparation *p, const char *path)
{
    return json_file_save(
        json_pack("{s:s, s:b, s:{s:I, s:I}, s:i, s:b, s:o*, s:b, s:o, s:o}", "image_processor_type",
                  "ViTImageProcessor", "do_resize", p->resize, "size", "height", (json_int_t)p->height, "width",
                  (json_int_t)p->width, "resample", (int)p->filter, "do_rescale", p->rescale, "rescale_factor",
                  p->factor == USUAL_FACTOR ? NULL : json_real(p->factor), "do_normalize", p->normalize, "image_mean",
                  numbers(p->mean, p->channels), "image_std", numbers(p->deviation, p->channels)),
        path);
}
