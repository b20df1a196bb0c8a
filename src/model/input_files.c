/* Images and sound from files, as inputs. */
#include "attn/seq.h"

#include "base/status.h"
#include "formats/idx.h"
#include "formats/picture.h"
#include "formats/wav.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

typedef enum file_format { FILE_OTHER, FILE_PNG_OR_JPEG, FILE_IDX, FILE_WAV } file_format;

static const attn_seq_input_kind kinds[] = {[FILE_OTHER] = ATTN_SEQ_INPUT_TEXT,
                                            [FILE_PNG_OR_JPEG] = ATTN_SEQ_INPUT_IMAGE,
                                            [FILE_IDX] = ATTN_SEQ_INPUT_IMAGE,
                                            [FILE_WAV] = ATTN_SEQ_INPUT_AUDIO};

static file_format format_of(const unsigned char *begin, size_t bytes)
{
    if (bytes >= 8 && !memcmp(begin, "\x89PNG\r\n\x1a\n", 8)) return FILE_PNG_OR_JPEG;
    if (bytes >= 3 && !memcmp(begin, "\xFF\xD8\xFF", 3)) return FILE_PNG_OR_JPEG;
    if (bytes >= 12 && !memcmp(begin, "RIFF", 4) && !memcmp(begin + 8, "WAVE", 4)) return FILE_WAV;
    if (bytes >= 4 && begin[0] == 0 && begin[1] == 0 && begin[2] >= 8 && begin[2] <= 14) return FILE_IDX;
    return FILE_OTHER;
}

/* Pictures, recordings and documents of formats that are not read: none of them is text, which FILE_OTHER means. */
static const char *foreign_format(const unsigned char *begin, size_t bytes)
{
    static const struct {
        const char *name, *mark;
        size_t at, length;
    } formats[] = {
        {"GIF image", "GIF8", 0, 4},     {"TIFF image", "II*\0", 0, 4},        {"TIFF image", "MM\0*", 0, 4},
        {"WebP image", "WEBP", 8, 4},    {"HEIF or AVIF image", "ftyp", 4, 4}, {"FLAC recording", "fLaC", 0, 4},
        {"Ogg recording", "OggS", 0, 4}, {"MP3 recording", "ID3", 0, 3},       {"AIFF recording", "AIFF", 8, 4},
        {"PDF document", "%PDF-", 0, 5}, {"ZIP archive", "PK\3\4", 0, 4},
    };
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (bytes < formats[i].at + formats[i].length) continue;
        if (!memcmp(begin + formats[i].at, formats[i].mark, formats[i].length)) return formats[i].name;
    }
    /* A text may begin with BM too; four bytes of zero, which a BMP keeps for later use, it has not. */
    return bytes >= 10 && !memcmp(begin, "BM", 2) && !memcmp(begin + 6, "\0\0\0\0", 4) ? "BMP image" : NULL;
}

/* zlib reads what is no gzip as it is. */
static attn_status read_format(const char *path, file_format *format)
{
    unsigned char begin[12];
    errno = 0;
    gzFile f = gzopen(path, "rb");
    int bytes = f ? gzread(f, begin, sizeof begin) : -1;
    int problem = errno;
    const bool compressed = f && !gzdirect(f);
    if (f) gzclose_r(f);
    if (bytes < 0)
        return status_fail(ATTN_ERROR_FILE, "%s: %s", path, problem ? strerror(problem) : "the gzip file is damaged");
    *format = format_of(begin, (size_t)bytes);
    if (compressed && (*format == FILE_PNG_OR_JPEG || *format == FILE_WAV))
        return status_fail(ATTN_ERROR_UNSUPPORTED, "%s: %s in a gzip file, expected it uncompressed", path,
                           *format == FILE_WAV ? "a recording" : "an image");
    const char *foreign = *format == FILE_OTHER ? foreign_format(begin, (size_t)bytes) : NULL;
    if (!foreign) return ATTN_OK;
    return status_fail(ATTN_ERROR_UNSUPPORTED, "%s: a %s, expected text, PNG, JPEG, IDX or WAV", path, foreign);
}

attn_seq_input_kind attn_seq_bytes_kind(const void *bytes, size_t count)
{
    return kinds[format_of(bytes, count)];
}

attn_status attn_seq_file_kind(const char *path, attn_seq_input_kind *kind)
{
    if (!path || !kind) return status_fail(ATTN_ERROR_ARGUMENT, "path or kind is NULL");
    file_format format = FILE_OTHER;
    attn_status status = read_format(path, &format);
    if (status == ATTN_OK) *kind = kinds[format];
    return status;
}

/* What was read stands before the inputs that point into it, in one block with them. */
typedef struct read_inputs {
    unsigned char *pixels;
    float *samples;
    attn_seq_input inputs[];
} read_inputs;

/* Takes pixels and samples over, also on failure. */
static attn_status make(attn_seq_input **inputs, int64_t count, const char *path, uint8_t *pixels, float *samples)
{
    read_inputs *block = NULL;
    if (count < INT64_MAX / (int64_t)sizeof(attn_seq_input) / 2)
        block = calloc(1, sizeof *block + (size_t)count * sizeof *block->inputs);
    if (!block) {
        free(pixels);
        free(samples);
        return status_fail(ATTN_ERROR_MEMORY, "%s: no memory for %lld inputs", path, (long long)count);
    }
    block->pixels = pixels;
    block->samples = samples;
    *inputs = block->inputs;
    return ATTN_OK;
}

void attn_seq_inputs_free(attn_seq_input *inputs)
{
    if (!inputs) return;
    read_inputs *block = (read_inputs *)((char *)inputs - offsetof(read_inputs, inputs));
    free(block->pixels);
    free(block->samples);
    free(block);
}

static attn_status read_picture(const char *path, attn_seq_input **inputs, int64_t *count)
{
    picture p;
    attn_status status = picture_read(&p, path);
    if (status == ATTN_OK) status = make(inputs, 1, path, p.pixels, NULL);
    if (status != ATTN_OK) return status;
    (*inputs)->kind = ATTN_SEQ_INPUT_IMAGE;
    (*inputs)->image = (attn_seq_image){p.width, p.height, p.channels, p.pixels};
    *count = 1;
    return ATTN_OK;
}

static attn_status read_sound(const char *path, attn_seq_input **inputs, int64_t *count)
{
    sound s;
    attn_status status = wav_read(&s, path);
    if (status == ATTN_OK) status = make(inputs, 1, path, NULL, s.samples);
    if (status != ATTN_OK) return status;
    (*inputs)->kind = ATTN_SEQ_INPUT_AUDIO;
    (*inputs)->audio = (attn_seq_audio){s.rate, s.count, s.samples};
    *count = 1;
    return ATTN_OK;
}

static attn_status read_idx(const char *path, attn_seq_input **inputs, int64_t *count)
{
    idx_array a;
    attn_status status = idx_read_images(&a, path);
    if (status != ATTN_OK) return status;
    status = make(inputs, a.shape[0], path, a.values, NULL);
    if (status != ATTN_OK) return status;
    int64_t pixels = a.shape[1] * a.shape[2];
    for (int64_t i = 0; i < a.shape[0]; i++) {
        (*inputs)[i].kind = ATTN_SEQ_INPUT_IMAGE;
        (*inputs)[i].image = (attn_seq_image){a.shape[2], a.shape[1], 1, a.values + i * pixels};
    }
    *count = a.shape[0];
    return ATTN_OK;
}

attn_status attn_seq_inputs_read(const char *path, attn_seq_input **inputs, int64_t *count)
{
    if (!path || !inputs || !count) return status_fail(ATTN_ERROR_ARGUMENT, "path, inputs or count is NULL");
    *inputs = NULL;
    *count = 0;
    file_format format = FILE_OTHER;
    attn_status status = read_format(path, &format);
    if (status != ATTN_OK) return status;
    switch (format) {
    case FILE_PNG_OR_JPEG:
        return read_picture(path, inputs, count);
    case FILE_IDX:
        return read_idx(path, inputs, count);
    case FILE_WAV:
        return read_sound(path, inputs, count);
    case FILE_OTHER:
        break;
    }
    return status_fail(ATTN_ERROR_FORMAT, "%s: not an image or a recording: expected PNG, JPEG, IDX or WAV", path);
}
