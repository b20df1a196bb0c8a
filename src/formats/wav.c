#include "formats/wav.h"

#include "base/plural.h"
#include "base/status.h"
#include "formats/whole_file.h"

#include <sndfile.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES_A_PIECE 16384
#define RIFF_HEADER 8
#define SIZE_UNKNOWN 0x7ffff000u /* and above: what writers to pipes put there */

/* A file in memory, as libsndfile reads it. */
typedef struct cursor {
    const unsigned char *bytes;
    sf_count_t size, at;
} cursor;

static sf_count_t length_of(void *argument)
{
    return ((cursor *)argument)->size;
}

static sf_count_t seek_to(sf_count_t offset, int whence, void *argument)
{
    cursor *c = argument;
    sf_count_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? c->at : c->size, to;
    if (__builtin_add_overflow(from, offset, &to) || to < 0 || to > c->size) return -1;
    return c->at = to;
}

static sf_count_t read_from(void *to, sf_count_t count, void *argument)
{
    cursor *c = argument;
    if (count > c->size - c->at) count = c->size - c->at;
    if (count <= 0) return 0;
    memcpy(to, c->bytes + c->at, (size_t)count);
    c->at += count;
    return count;
}

static sf_count_t position_of(void *argument)
{
    return ((cursor *)argument)->at;
}

/* libsndfile knows two dozen containers; a WAV file is asked for, and no other parser is reached. */
static bool begins_as_wav(const unsigned char *bytes, size_t size)
{
    return size >= 12 && (memcmp(bytes, "RIFF", 4) == 0 || memcmp(bytes, "RF64", 4) == 0) &&
           memcmp(bytes + 8, "WAVE", 4) == 0;
}

static uint32_t little_endian(const unsigned char *bytes, int count)
{
    uint32_t value = 0;
    for (int i = count; i-- > 0;) value = value << 8 | bytes[i];
    return value;
}

/* libsndfile reads what is left of a file that was cut short. Who writes to a pipe does not know the size, and says so.
 */
static attn_status check_whole(const unsigned char *bytes, size_t size, const char *name)
{
    const uint32_t said = little_endian(bytes + 4, 4);
    if (said == 0 || said >= SIZE_UNKNOWN || said <= size - RIFF_HEADER) return ATTN_OK;
    return status_fail(ATTN_ERROR_FORMAT, "%s: cut short: %zu byte%s after the RIFF header, expected %lu", name,
                       size - RIFF_HEADER, plural((int64_t)(size - RIFF_HEADER)), (unsigned long)said);
}

static attn_status check_range(const char *name, const char *field, int64_t value, int64_t least, int64_t most)
{
    if (value >= least && value <= most) return ATTN_OK;
    return status_fail(ATTN_ERROR_FORMAT, "%s: %s is %lld, expected %lld to %lld", name, field, (long long)value,
                       (long long)least, (long long)most);
}

static attn_status check_format(const char *name, int64_t channels, int64_t rate)
{
    attn_status status = check_range(name, "channels", channels, 1, SOUND_MOST_CHANNELS);
    return status == ATTN_OK ? check_range(name, "sample rate", rate, 1, SOUND_MOST_RATE) : status;
}

/* Of the first chunk that describes the samples: libsndfile has no words for numbers that cannot be. */
static attn_status check_format_chunk(const unsigned char *bytes, size_t size, const char *name)
{
    enum { CHUNK_HEADER = 8, CHANNELS = 2, RATE = 4, FORMAT_LEAST = 8 };
    for (size_t at = RIFF_HEADER + 4; at + CHUNK_HEADER <= size;) {
        const unsigned char *body = bytes + at + CHUNK_HEADER;
        const size_t left = size - at - CHUNK_HEADER, length = little_endian(bytes + at + 4, 4);
        if (memcmp(bytes + at, "fmt ", 4) == 0 && left >= FORMAT_LEAST)
            return check_format(name, little_endian(body + CHANNELS, 2), little_endian(body + RATE, 4));
        if (length >= left) break;
        at += CHUNK_HEADER + length + length % 2;
    }
    return ATTN_OK; /* without one, which libsndfile tells */
}

static attn_status check_description(const SF_INFO *i, const char *name)
{
    attn_status status = check_format(name, i->channels, i->samplerate);
    return status == ATTN_OK ? check_range(name, "frames", i->frames, 0, SOUND_MOST_SAMPLES) : status;
}

static void mix(const float *frames, int64_t count, int channels, float *samples)
{
    for (int64_t i = 0; i < count; i++) {
        double sum = 0;
        for (int c = 0; c < channels; c++) sum += frames[i * channels + c];
        samples[i] = (float)(sum / channels);
    }
}

/* Room for samples grows with what the file really holds, whatever its header says. */
static attn_status read_samples(sound *s, SNDFILE *file, int channels, const char *name)
{
    float *piece = malloc((size_t)channels * FRAMES_A_PIECE * sizeof *piece);
    int64_t room = 0, got = piece ? FRAMES_A_PIECE : -1;
    while (got > 0) {
        if (s->count + FRAMES_A_PIECE > room) {
            room = 2 * room + FRAMES_A_PIECE;
            float *larger = realloc(s->samples, (size_t)room * sizeof *larger);
            if (!larger) {
                got = -1;
                break;
            }
            s->samples = larger;
        }
        got = sf_readf_float(file, piece, FRAMES_A_PIECE);
        mix(piece, got, channels, s->samples + s->count);
        s->count += got;
        if (s->count > SOUND_MOST_SAMPLES) break;
    }
    free(piece);
    if (got < 0) return status_fail(ATTN_ERROR_MEMORY, "%s: no memory to read it", name);
    if (s->count > SOUND_MOST_SAMPLES)
        return status_fail(ATTN_ERROR_FORMAT, "%s: more than %lld samples, expected at most that many", name,
                           (long long)SOUND_MOST_SAMPLES);
    if (sf_error(file) != SF_ERR_NO_ERROR)
        return status_fail(ATTN_ERROR_FORMAT, "%s: WAV data: %s", name, sf_strerror(file));
    return ATTN_OK;
}

static attn_status check_samples(const sound *s, int64_t announced, const char *name)
{
    if (s->count != announced)
        return status_fail(ATTN_ERROR_FORMAT, "%s: holds %lld frame%s, expected %lld", name, (long long)s->count,
                           plural(s->count), (long long)announced);
    for (int64_t i = 0; i < s->count; i++)
        if (!(s->samples[i] >= -1e6f && s->samples[i] <= 1e6f))
            return status_fail(ATTN_ERROR_FORMAT, "%s: sample %lld is %g, expected a number near -1 to 1", name,
                               (long long)i, s->samples[i]);
    return ATTN_OK;
}

attn_status wav_parse(sound *out, const char *name, const void *bytes, size_t size)
{
    memset(out, 0, sizeof *out);
    if (!begins_as_wav(bytes, size))
        return status_fail(ATTN_ERROR_FORMAT, "%s: does not begin with RIFF....WAVE, expected a WAV file", name);
    attn_status status = check_whole(bytes, size, name);
    if (status == ATTN_OK) status = check_format_chunk(bytes, size, name);
    if (status != ATTN_OK) return status;
    SF_VIRTUAL_IO calls = {length_of, seek_to, read_from, NULL, position_of};
    cursor c = {.bytes = bytes, .size = (sf_count_t)size};
    SF_INFO info = {0};
    SNDFILE *file = sf_open_virtual(&calls, SFM_READ, &info, &c);
    if (!file) return status_fail(ATTN_ERROR_FORMAT, "%s: WAV header: %s", name, sf_strerror(NULL));
    status = check_description(&info, name);
    if (status == ATTN_OK) status = read_samples(out, file, info.channels, name);
    sf_close(file);
    if (status == ATTN_OK) status = check_samples(out, info.frames, name);
    out->rate = info.samplerate;
    if (status != ATTN_OK) sound_clear(out);
    return status;
}

attn_status wav_read(sound *out, const char *path)
{
    memset(out, 0, sizeof *out);
    unsigned char *bytes;
    size_t size;
    attn_status status = whole_file_read(&bytes, &size, path, SOUND_MOST_BYTES);
    if (status != ATTN_OK) return status;
    status = wav_parse(out, path, bytes, size);
    free(bytes);
    return status;
}

void sound_clear(sound *s)
{
    free(s->samples);
    memset(s, 0, sizeof *s);
}
