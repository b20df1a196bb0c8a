/* Pictures and sounds that are damaged or lie about themselves: the seeds of the fuzz targets, each with the words that
 * refuse it. What is whole is read by input/preparation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/status.h"
#include "formats/picture.h"
#include "formats/wav.h"

#include <stdio.h>
#include <string.h>

static void refused(const char *path, attn_status status, attn_status expected, const char *words)
{
    if (status != expected) fail_msg("%s: status %d, expected %d: %s", path, status, expected, status_message());
    if (!strstr(status_message(), words)) fail_msg("'%s' does not say '%s'", status_message(), words);
    assert_int_equal(strncmp(status_message(), path, strlen(path)), 0);
}

static void refuses_pictures(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        const char *words;
    } cases[] = {
        {"cut.png", "PNG data: it ends too early"},
        {"huge.png", "PNG data: "},
        {"wide.png", "size is 65535 x 65535, expected 1 to 65535 a side and at most 67108864 pixels"},
        {"none.png", "PNG data: "},
        {"no_palette.png", "PNG data: "},
        {"checksum.png", "PNG data: "},
        {"cut.jpg", "JPEG data: Premature end of JPEG file"},
        {"huge.jpg", "JPEG data: Maximum supported image dimension"},
        {"none.jpg", "JPEG data: "},
        {"gif", "begins as neither PNG nor JPEG"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[600];
        picture p;
        snprintf(path, sizeof path, "%s/picture/%s", FUZZ_CORPUS, cases[i].file);
        refused(path, picture_read(&p, path), ATTN_ERROR_FORMAT, cases[i].words);
        assert_null(p.pixels);
    }
    picture p;
    assert_int_equal(picture_read(&p, "no/such.png"), ATTN_ERROR_FILE);
}

static void refuses_sounds(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        const char *words;
    } cases[] = {
        {"no_channel.wav", "channels is 0, expected 1 to 256"},
        {"many_channels.wav", "expected 1 to 256"},
        {"rate_0.wav", "rate_0.wav: sample rate is 0, expected 1 to 768000"},
        {"rate_huge.wav", "expected 1 to 768000"},
        {"nan.wav", "sample 0 is nan"},
        {"header.wav", "cut short: 12 bytes after the RIFF header"},
        {"mono16.wav", "cut short: 1836 bytes after the RIFF header, expected 10036"},
        {"flac", "does not begin with RIFF"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[600];
        sound s;
        snprintf(path, sizeof path, "%s/wav/%s", FUZZ_CORPUS, cases[i].file);
        refused(path, wav_read(&s, path), ATTN_ERROR_FORMAT, cases[i].words);
        assert_null(s.samples);
    }
}

static void mixes_channels(void **state)
{
    (void)state;
    sound s;
    if (wav_read(&s, FUZZ_CORPUS "/wav/six_channels.wav") != ATTN_OK) fail_msg("%s", status_message());
    assert_int_equal(s.rate, 44100);
    assert_int_equal(s.count, 420);
    double sum = 0; /* the first frame: little-endian 0x0100, 0x0302, ... 0x0b0a */
    for (int c = 0; c < 6; c++) sum += (2 * c + 256 * (2 * c + 1)) / 32768.0;
    assert_true(s.samples[0] == (float)(sum / 6));
    sound_clear(&s);
    assert_int_equal(wav_read(&s, FUZZ_CORPUS "/wav/no_samples.wav"), ATTN_OK);
    assert_int_equal(s.count, 0);
    sound_clear(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_pictures),
        cmocka_unit_test(refuses_sounds),
        cmocka_unit_test(mixes_channels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
