/* Matrices as bytes with a scale for each row: what comes back, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/random.h"
#include "base/replace_file.h"
#include "base/status.h"
#include "formats/int8_rows.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PATH "formats_int8_rows.tmp"

enum { ROWS = 5, COLUMNS = 37 };

static const int64_t shape[2] = {ROWS, COLUMNS};

/* Rows of many sizes, one of zeros, one so small that its scale is subnormal. */
static void draw(float *values)
{
    static const float sizes[ROWS] = {1, 0, 1e30f, 3e-44f, 1e-5f};
    for (int i = 0; i < ROWS * COLUMNS; i++)
        values[i] = sizes[i / COLUMNS] * (2 * random_unit(random_philox(7, (uint64_t)i, 0).word[0]) - 1);
}

static void write_both(const float *values)
{
    const safetensors_entry matrix = {"w", SAFETENSORS_I8, 2, shape, values};
    float scales[ROWS];
    for (int64_t i = 0; i < ROWS; i++) assert_int_equal(int8_row_scale(PATH, &matrix, i, &scales[i]), ATTN_OK);
    const safetensors_entry entries[] = {matrix, {"w.scale", SAFETENSORS_F32, 1, shape, scales}};
    assert_int_equal(safetensors_write(PATH, entries, 2, NULL, 0), ATTN_OK);
}

static void comes_back_within_half_a_scale(void **state)
{
    (void)state;
    float values[ROWS * COLUMNS], got[ROWS * COLUMNS];
    draw(values);
    write_both(values);
    safetensors *s;
    const safetensors_tensor *scales;
    assert_int_equal(safetensors_open(&s, PATH), ATTN_OK);
    const safetensors_tensor *t = safetensors_find(s, "w");
    assert_int_equal(t->size, ROWS * COLUMNS);
    if (int8_rows_find_scales(s, t, &scales) != ATTN_OK) fail_msg("%s", status_message());
    int8_rows_read(t, scales, got);
    for (int i = 0; i < ROWS; i++) {
        float largest = 0;
        for (int j = 0; j < COLUMNS; j++) largest = fmaxf(largest, fabsf(values[i * COLUMNS + j]));
        /* half a scale, and what rounding the quotient, the product and a subnormal scale adds */
        const double bound = largest / 127.0 * 0.50001 + 127 * 0x1p-149;
        for (int j = 0; j < COLUMNS; j++) {
            const double error = fabs((double)got[i * COLUMNS + j] - values[i * COLUMNS + j]);
            if (!(error <= bound)) fail_msg("row %d column %d: error %g, bound %g", i, j, error, bound);
        }
        if (i == 1) assert_true(largest == 0);
    }
    safetensors_close(s);
    unlink(PATH);
}

/* Ties go to the even byte, and the largest number is kept but for its rounding. */
static void rounds_to_nearest_even(void **state)
{
    (void)state;
    const float row[] = {254, 1, 3, -1, -3, 5, -254, 0};
    const int8_t expected[] = {127, 0, 2, 0, -2, 2, -127, 0};
    const int64_t size[2] = {1, 8};
    const safetensors_entry e = {"w", SAFETENSORS_I8, 2, size, row};
    float scale;
    int8_t bytes[8];
    assert_int_equal(int8_row_scale(PATH, &e, 0, &scale), ATTN_OK);
    assert_true(scale == 2);
    int8_row_encode(8, row, scale, bytes);
    assert_memory_equal(bytes, expected, sizeof bytes);
}

static void writes_no_number_that_cannot_come_back(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY, FLT_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        float values[ROWS * COLUMNS], scale;
        draw(values);
        values[3 * COLUMNS + 4] = bad[i];
        const safetensors_entry e = {"w", SAFETENSORS_I8, 2, shape, values};
        assert_int_equal(int8_row_scale(PATH, &e, 3, &scale), ATTN_ERROR_ARGUMENT);
        assert_int_equal(safetensors_write(PATH, &e, 1, NULL, 0), ATTN_ERROR_ARGUMENT);
        assert_non_null(strstr(status_message(), PATH ": w[3, 4] is "));
        assert_int_not_equal(access(PATH, F_OK), 0);
    }
    const int64_t count = 3;
    const float vector[3] = {1, 2, 3};
    const safetensors_entry e = {"w", SAFETENSORS_I8, 1, &count, vector};
    assert_int_equal(safetensors_write(PATH, &e, 1, NULL, 0), ATTN_ERROR_UNSUPPORTED);
}

#define TENSOR(name, type, shape, range)                                                                               \
    "\"" name "\": {\"dtype\": \"" type "\", \"shape\": [" shape "], \"data_offsets\": [" range "]}"
#define MATRIX TENSOR("w", "I8", "2, 2", "0, 4")

/* Of a file of this header, 4 bytes and these two scales. */
static void refused(const char *header, size_t scales_size, const float scales[2], const char *words)
{
    replace_file *f;
    safetensors *s;
    const safetensors_tensor *found;
    const uint64_t size = strlen(header);
    assert_int_equal(replace_file_open(&f, PATH), ATTN_OK);
    replace_file_write(f, &size, sizeof size);
    replace_file_write(f, header, size);
    replace_file_write(f, "\x01\x80\x7f\xff", 4);
    replace_file_write(f, scales, scales_size);
    assert_int_equal(replace_file_commit(f), ATTN_OK);
    if (safetensors_open(&s, PATH) != ATTN_OK) fail_msg("%s", status_message());
    const attn_status status = int8_rows_find_scales(s, safetensors_find(s, "w"), &found);
    if (words) {
        assert_int_equal(status, ATTN_ERROR_FORMAT);
        if (!strstr(status_message(), words)) fail_msg("'%s' does not say '%s'", status_message(), words);
        assert_int_equal(strncmp(status_message(), PATH ": ", strlen(PATH) + 2), 0);
    } else {
        assert_int_equal(status, ATTN_OK);
        float values[4];
        int8_rows_read(safetensors_find(s, "w"), found, values);
        for (int i = 0; i < 4; i++) assert_true(isfinite(values[i]));
    }
    safetensors_close(s);
    unlink(PATH);
}

static void refuses_hostile_scales(void **state)
{
    (void)state;
    static const char good[] = "{" MATRIX ", " TENSOR("w.scale", "F32", "2", "4, 12") "}";
    refused(good, 8, (const float[2]){0, FLT_MAX / 128}, NULL);
    refused(good, 8, (const float[2]){1, -0.5f}, "w.scale[1] is -0.5, expected 0 to ");
    refused(good, 8, (const float[2]){NAN, 1}, "w.scale[0] is ");
    refused(good, 8, (const float[2]){1, INFINITY}, "w.scale[1] is inf");
    refused(good, 8, (const float[2]){1, FLT_MAX}, "w.scale[1] is 3.40282e+38, expected 0 to 2.65846e+36");
    refused("{" MATRIX "}", 0, NULL, "w.scale is missing, expected beside an I8 tensor");
    const float scales[2] = {1, 1};
    refused("{" MATRIX ", " TENSOR("w.scale", "F32", "1", "4, 8") "}", 4, scales,
            "w.scale has 1 dimension and 1 element, expected one dimension of 2, the rows of w");
    refused("{" MATRIX ", " TENSOR("w.scale", "F32", "2, 1", "4, 12") "}", 8, scales, "w.scale has 2 dimensions");
    refused("{" MATRIX ", " TENSOR("w.scale", "F32", "", "4, 8") "}", 4, scales, "w.scale has 0 dimensions");
    refused("{" MATRIX ", " TENSOR("w.scale", "BF16", "2", "4, 8") "}", 4, scales,
            "w.scale: dtype is BF16, expected F32");
    refused("{" TENSOR("w", "I8", "4", "0, 4") "}", 0, NULL, "w: dtype is I8 with 1 dimension, expected the 2");
    refused("{" TENSOR("w", "BF16", "2, 1", "0, 4") ", " TENSOR("w.scale", "F32", "2", "4, 12") "}", 8, scales,
            "w: dtype is BF16, expected I8 where there is w.scale");
}

static void other_tensors_have_no_scales(void **state)
{
    (void)state;
    const float values[4] = {1, 2, 3, 4};
    const int64_t size[2] = {2, 2};
    const safetensors_entry e = {"w", SAFETENSORS_F32, 2, size, values};
    safetensors *s;
    const safetensors_tensor *scales;
    assert_int_equal(safetensors_write(PATH, &e, 1, NULL, 0), ATTN_OK);
    assert_int_equal(safetensors_open(&s, PATH), ATTN_OK);
    assert_int_equal(int8_rows_find_scales(s, safetensors_find(s, "w"), &scales), ATTN_OK);
    assert_null(scales);
    safetensors_close(s);
    unlink(PATH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_within_half_a_scale),         cmocka_unit_test(rounds_to_nearest_even),
        cmocka_unit_test(writes_no_number_that_cannot_come_back), cmocka_unit_test(refuses_hostile_scales),
        cmocka_unit_test(other_tensors_have_no_scales),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
