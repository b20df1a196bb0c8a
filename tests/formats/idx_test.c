#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/replace_file.h"
#include "base/status.h"
#include "formats/idx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define PATH "formats_idx.tmp"

static void put(const char *bytes, size_t size)
{
    assert_int_equal(replace_file_save(PATH, bytes, size), ATTN_OK);
}

static void expect_six(void)
{
    idx_array a;
    if (idx_read(&a, PATH) != ATTN_OK) fail_msg("%s", status_message());
    assert_int_equal(a.rank, 2);
    assert_int_equal(a.shape[0], 2);
    assert_int_equal(a.shape[1], 3);
    assert_int_equal(a.count, 6);
    assert_memory_equal(a.values, "abcdef", 6);
    idx_clear(&a);
    assert_null(a.values);
    unlink(PATH);
}

static const char six[] = "\0\0\10\2\0\0\0\2\0\0\0\3abcdef";

static void reads_plain_and_gzip(void **state)
{
    (void)state;
    put(six, sizeof six - 1);
    expect_six();
    gzFile f = gzopen(PATH, "wb");
    assert_int_equal(gzwrite(f, six, sizeof six - 1), sizeof six - 1);
    assert_int_equal(gzclose(f), Z_OK);
    expect_six();
}

static void takes_no_elements(void **state)
{
    (void)state;
    idx_array a;
    put("\0\0\10\1\0\0\0\0", 8);
    assert_int_equal(idx_read(&a, PATH), ATTN_OK);
    assert_int_equal(a.count, 0);
    assert_non_null(a.values);
    idx_clear(&a);
    unlink(PATH);
}

static void refuses_hostile_files(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        attn_status status;
        const char *words;
    } cases[] = {
        {"", 0, ATTN_ERROR_FORMAT, "cut short in its header: 0 bytes there, expected 4"},
        {"PK\3\4", 4, ATTN_ERROR_FORMAT, "begins with bytes 80 75, expected 0 0"},
        {"\0\0\15\1\0\0\0\1", 8, ATTN_ERROR_UNSUPPORTED, "type of elements is 0x0d, expected 0x08"},
        {"\0\0\10\0", 4, ATTN_ERROR_FORMAT, "rank is 0, expected 1 to 4"},
        {"\0\0\10\5", 4, ATTN_ERROR_FORMAT, "rank is 5, expected 1 to 4"},
        {"\0\0\10\2\0\0\0\2", 8, ATTN_ERROR_FORMAT, "cut short in its header: 8 bytes there, expected 12"},
        {six, sizeof six - 2, ATTN_ERROR_FORMAT, "cut short in its elements: 5 bytes there, expected 6"},
        {six, sizeof six, ATTN_ERROR_FORMAT, "goes on after its 6 elements"},
        {"\0\0\10\3\377\377\377\377\377\377\377\377\377\377\377\377", 16, ATTN_ERROR_FORMAT,
         "dimension 1 is 4294967295, expected at most 4294967296 elements"},
        {"\0\0\10\1\377\377\377\377abc", 11, ATTN_ERROR_FORMAT,
         "cut short in its elements: 3 bytes there, expected 4294967295"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        idx_array a;
        put(cases[i].bytes, cases[i].size);
        assert_int_equal(idx_read(&a, PATH), cases[i].status);
        assert_null(a.values);
        if (!strstr(status_message(), cases[i].words)) fail_msg("'%s' is not '%s'", status_message(), cases[i].words);
        unlink(PATH);
    }
    idx_array a;
    assert_int_equal(idx_read(&a, PATH), ATTN_ERROR_FILE);
}

/* All elements are there, gzip's check sum and length behind them are not. So many that zlib is asked for no more than
 * there is, and few. */
static void expect_its_end_missed(int64_t count)
{
    unsigned char head[] = {
        0, 0, 8, 1, 0, (unsigned char)(count >> 16), (unsigned char)(count >> 8), (unsigned char)count};
    unsigned char *values = calloc((size_t)count, 1), bytes[8192];
    gzFile f = gzopen(PATH, "wb");
    assert_int_equal(gzwrite(f, head, sizeof head), sizeof head);
    assert_int_equal(gzwrite(f, values, (unsigned)count), count);
    assert_int_equal(gzclose(f), Z_OK);
    FILE *whole = fopen(PATH, "rb");
    const size_t size = fread(bytes, 1, sizeof bytes, whole);
    fclose(whole);
    idx_array a;
    for (size_t lost = 1; lost <= 8; lost++) {
        put((char *)bytes, size - lost);
        assert_int_equal(idx_read(&a, PATH), ATTN_ERROR_FORMAT);
        assert_non_null(strstr(status_message(), "damaged or cut short behind its"));
        assert_null(a.values);
    }
    bytes[size - 5] ^= 1; /* in the check sum */
    put((char *)bytes, size);
    assert_int_equal(idx_read(&a, PATH), ATTN_ERROR_FORMAT);
    bytes[size - 5] ^= 1;
    put((char *)bytes, size);
    assert_int_equal(idx_read(&a, PATH), ATTN_OK);
    idx_clear(&a);
    unlink(PATH);
    free(values);
}

static void misses_the_end_of_a_gzip_file(void **state)
{
    (void)state;
    const int64_t counts[] = {6, 16376, 2352000};
    for (int i = 0; i < 3; i++) expect_its_end_missed(counts[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_plain_and_gzip),
        cmocka_unit_test(takes_no_elements),
        cmocka_unit_test(refuses_hostile_files),
        cmocka_unit_test(misses_the_end_of_a_gzip_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
