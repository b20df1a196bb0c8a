#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "formats/safetensors.h"
#include "base/replace_file.h"
#include "base/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH "formats_safetensors.tmp"

/* Writes a header of this text and `data` zero bytes after it. */
static void put(const char *header, size_t data)
{
    replace_file *f;
    assert_int_equal(replace_file_open(&f, PATH), ATTN_OK);
    uint64_t size = strlen(header);
    static const unsigned char zeros[64];
    replace_file_write(f, &size, sizeof size);
    replace_file_write(f, header, size);
    replace_file_write(f, zeros, data);
    assert_int_equal(replace_file_commit(f), ATTN_OK);
}

static void refused(attn_status status, const char *words)
{
    safetensors *s;
    assert_int_equal(safetensors_open(&s, PATH), status);
    assert_null(s);
    if (!strstr(status_message(), words)) fail_msg("'%s' does not say '%s'", status_message(), words);
    assert_int_equal(strncmp(status_message(), PATH ": ", strlen(PATH) + 2), 0);
    unlink(PATH);
}

static void returns_what_it_wrote(void **state)
{
    (void)state;
    const int64_t shape[2] = {2, 3}, none[1] = {0};
    const float values[6] = {0, -1.5f, 3e38f, 1e-42f, 3.140625f, 7};
    const safetensors_entry entries[] = {
        {"wide", SAFETENSORS_F32, 2, shape, values},
        {"narrow", SAFETENSORS_BF16, 2, shape, values},
        {"scalar", SAFETENSORS_F32, 0, NULL, values + 4},
        {"empty", SAFETENSORS_F32, 1, none, NULL},
    };
    const char *const metadata[][2] = {{"format", "pt"}, {"quote", "\"\\"}};
    assert_int_equal(safetensors_write(PATH, entries, 4, metadata, 2), ATTN_OK);

    safetensors *s;
    float got[6];
    assert_int_equal(safetensors_open(&s, PATH), ATTN_OK);
    assert_int_equal(safetensors_count(s), 4);
    assert_string_equal(safetensors_metadata(s, "format"), "pt");
    assert_string_equal(safetensors_metadata(s, "quote"), "\"\\");
    assert_null(safetensors_metadata(s, "none"));
    assert_null(safetensors_find(s, "none"));
    const safetensors_tensor *t = safetensors_find(s, "wide");
    assert_int_equal(t->rank, 2);
    assert_int_equal(t->shape[1], 3);
    assert_int_equal(safetensors_read_floats(s, t, got), ATTN_OK);
    assert_memory_equal(got, values, sizeof got);
    t = safetensors_find(s, "narrow");
    assert_int_equal(safetensors_read_floats(s, t, got), ATTN_OK);
    assert_true(got[1] == -1.5f && got[4] == 3.140625f && got[5] == 7);
    t = safetensors_find(s, "scalar");
    assert_int_equal(t->count, 1);
    assert_int_equal(safetensors_read_floats(s, t, got), ATTN_OK);
    assert_true(got[0] == 3.140625f);
    assert_int_equal(safetensors_find(s, "empty")->count, 0);
    safetensors_close(s);
    unlink(PATH);
}

static void refuses_hostile_headers(void **state)
{
    (void)state;
#define F32(shape, begin, end) "{\"dtype\": \"F32\", \"shape\": [" shape "], \"data_offsets\": [" begin ", " end "]}"
    static const struct {
        const char *header;
        size_t data;
        attn_status status;
        const char *words;
    } cases[] = {
        {"{\"a\": " F32("2", "0", "8") "}", 7, ATTN_ERROR_FORMAT,
         "a: data_offsets are 0 and 8, expected 0 <= begin <= end <= 7"},
        {"{\"a\": " F32("2", "0", "8") "}", 9, ATTN_ERROR_FORMAT, "end at byte 8 of the data, expected 9"},
        {"{\"a\": " F32("2", "0", "4") "}", 4, ATTN_ERROR_FORMAT, "span 4 bytes, expected 2 elements of 4"},
        {"{\"a\": " F32("2", "-8", "0") "}", 8, ATTN_ERROR_FORMAT, "data_offsets are -8 and 0"},
        {"{\"a\": " F32("2", "8", "0") "}", 8, ATTN_ERROR_FORMAT, "data_offsets are 8 and 0"},
        {"{\"a\": " F32("-2", "0", "8") "}", 8, ATTN_ERROR_FORMAT, "shape[0] is no integer"},
        {"{\"a\": " F32("1.5", "0", "8") "}", 8, ATTN_ERROR_FORMAT, "shape[0] is no integer"},
        {"{\"a\": " F32("4611686018427387904, 4", "0", "0") "}", 0, ATTN_ERROR_FORMAT, "shape[1] = 4 makes more"},
        {"{\"a\": " F32("4611686018427387904", "0", "0") "}", 0, ATTN_ERROR_FORMAT, "a: data_offsets span 0 bytes"},
        {"{\"a\": " F32("99999999999999999999", "0", "0") "}", 0, ATTN_ERROR_FORMAT, "header, byte"},
        {"{\"a\": " F32("1,1,1,1,1,1,1,1,1", "0", "4") "}", 4, ATTN_ERROR_UNSUPPORTED, "9 dimensions"},
        {"{\"a\": " F32("1", "0", "4") ", \"b\": " F32("1", "0", "4") "}", 4, ATTN_ERROR_FORMAT, "overlap"},
        {"{\"a\": " F32("2", "0", "8") ", \"b\": " F32("2", "4", "12") "}", 12, ATTN_ERROR_FORMAT, "overlap"},
        {"{\"a\": " F32("1", "0", "4") ", \"b\": " F32("1", "8", "12") "}", 12, ATTN_ERROR_FORMAT, "leave a gap"},
        {"{\"a\": " F32("1", "4", "8") "}", 8, ATTN_ERROR_FORMAT, "leave a gap"},
        {"{\"a\": " F32("1", "0", "4") ", \"a\": " F32("1", "4", "8") "}", 8, ATTN_ERROR_FORMAT, "duplicate"},
        {"{\"a\": {\"dtype\": \"F7\", \"shape\": [], \"data_offsets\": [0, 4]}}", 4, ATTN_ERROR_UNSUPPORTED,
         "dtype is \"F7\""},
        {"{\"a\": {\"dtype\": 7, \"shape\": [], \"data_offsets\": [0, 4]}}", 4, ATTN_ERROR_FORMAT, "dtype is missing"},
        {"{\"a\": {\"dtype\": \"F32\", \"data_offsets\": [0, 4]}}", 4, ATTN_ERROR_FORMAT, "shape is missing"},
        {"{\"a\": {\"dtype\": \"F32\", \"shape\": []}}", 4, ATTN_ERROR_FORMAT, "data_offsets is missing"},
        {"{\"a\": {\"dtype\": \"F32\", \"shape\": [], \"data_offsets\": [0]}}", 4, ATTN_ERROR_FORMAT,
         "data_offsets is missing"},
        {"{\"a\": 4}", 0, ATTN_ERROR_FORMAT, "a is no object"},
        {"{\"__metadata__\": 4}", 0, ATTN_ERROR_FORMAT, "__metadata__ is no object"},
        {"{\"__metadata__\": {\"a\": 4}}", 0, ATTN_ERROR_FORMAT, "a is no string"},
        {"[]", 0, ATTN_ERROR_FORMAT, "no JSON object"},
        {"{", 0, ATTN_ERROR_FORMAT, "expected JSON"},
        {"", 0, ATTN_ERROR_FORMAT, "expected JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put(cases[i].header, cases[i].data);
        refused(cases[i].status, cases[i].words);
    }
}

static void refuses_lengths_that_lie(void **state)
{
    (void)state;
    static const unsigned char all_ones[16] = {255, 255, 255, 255, 255, 255, 255, 255, '{', '}'};
    assert_int_equal(replace_file_save(PATH, all_ones, 16), ATTN_OK);
    refused(ATTN_ERROR_FORMAT, "header length is 18446744073709551615, expected at most 8");
    assert_int_equal(replace_file_save(PATH, "\x03\0\0\0\0\0\0\0{}", 10), ATTN_OK);
    refused(ATTN_ERROR_FORMAT, "header length is 3, expected at most 2");
    assert_int_equal(replace_file_save(PATH, "\x03\0\0", 3), ATTN_OK);
    refused(ATTN_ERROR_FORMAT, "at least 8 bytes");
    assert_int_equal(replace_file_save(PATH, "", 0), ATTN_OK);
    refused(ATTN_ERROR_FORMAT, "at least 8 bytes");
    unlink(PATH);
    refused(ATTN_ERROR_FILE, "cannot read: No such file");
}

static void reads_unaligned_data_and_names_other_types(void **state)
{
    (void)state;
    safetensors *s;
    float values[2] = {9, 9};
    put("{\"b\": {\"dtype\":\"BOOL\",\"shape\":[1],\"data_offsets\":[0,1]},\"a\": " F32("2", "1", "9") "}", 9);
    assert_int_equal(safetensors_open(&s, PATH), ATTN_OK);
    assert_int_equal(safetensors_read_floats(s, safetensors_find(s, "a"), values), ATTN_OK);
    assert_true(values[0] == 0 && values[1] == 0);
    assert_int_equal(safetensors_read_floats(s, safetensors_at(s, 0), values), ATTN_ERROR_UNSUPPORTED);
    assert_string_equal(status_message(), PATH ": b: dtype is BOOL, expected F32, BF16 or F16");
    safetensors_close(s);
    unlink(PATH);
}

static void writes_only_text_into_its_header(void **state)
{
    (void)state;
    const int64_t shape[1] = {1};
    const float value = 1;
    const safetensors_entry entry = {"a", SAFETENSORS_F32, 1, shape, &value},
                            bad = {"a\xff", SAFETENSORS_F32, 1, shape, &value};
    const safetensors_entry wide = {"a", SAFETENSORS_F64, 1, shape, &value};
    const char *const metadata[][2] = {{"path", "\xe9t\xe9"}};
    assert_int_equal(safetensors_write(PATH, &entry, 1, metadata, 1), ATTN_ERROR_ARGUMENT);
    assert_int_equal(safetensors_write(PATH, &bad, 1, NULL, 0), ATTN_ERROR_ARGUMENT);
    assert_non_null(strstr(status_message(), "is not valid UTF-8"));
    assert_int_equal(safetensors_write(PATH, &wide, 1, NULL, 0), ATTN_ERROR_UNSUPPORTED);
    assert_int_not_equal(access(PATH, F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(returns_what_it_wrote),
        cmocka_unit_test(refuses_hostile_headers),
        cmocka_unit_test(refuses_lengths_that_lie),
        cmocka_unit_test(reads_unaligned_data_and_names_other_types),
        cmocka_unit_test(writes_only_text_into_its_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
