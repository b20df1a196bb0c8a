#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "formats/npy.h"
#include "base/replace_file.h"
#include "base/status.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PATH "formats_npy.tmp"

static void put(int version, const char *header, const void *data, size_t bytes)
{
    replace_file *f;
    size_t size = strlen(header);
    assert_int_equal(replace_file_open(&f, PATH), ATTN_OK);
    fprintf(replace_file_stream(f), "\x93NUMPY%c%c", version, 0);
    for (int i = 0; i < (version == 1 ? 2 : 4); i++) fputc((int)(size >> 8 * i & 255), replace_file_stream(f));
    replace_file_write(f, header, size);
    replace_file_write(f, data, bytes);
    assert_int_equal(replace_file_commit(f), ATTN_OK);
}

static npy_array get(void)
{
    npy_array a;
    if (npy_read(&a, PATH) != ATTN_OK) fail_msg("%s", status_message());
    unlink(PATH);
    return a;
}

static void refused(attn_status status, const char *words)
{
    npy_array a;
    assert_int_equal(npy_read(&a, PATH), status);
    assert_null(a.values);
    assert_null(a.flags);
    if (!strstr(status_message(), words)) fail_msg("'%s' does not say '%s'", status_message(), words);
    assert_int_equal(strncmp(status_message(), PATH ": ", strlen(PATH) + 2), 0);
    unlink(PATH);
}

static void returns_what_it_wrote(void **state)
{
    (void)state;
    const float values[6] = {0, -1.5f, 3e38f, 1e-42f, INFINITY, 7};
    static const int64_t shapes[][4] = {{2, 3}, {1, 2, 3, 1}, {6}};
    static const int ranks[] = {2, 4, 1};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(npy_write(PATH, ranks[i], shapes[i], values), ATTN_OK);
        npy_array a = get();
        assert_int_equal(a.rank, ranks[i]);
        assert_int_equal(a.count, 6);
        assert_memory_equal(a.shape, shapes[i], sizeof(int64_t) * (size_t)ranks[i]);
        assert_memory_equal(a.values, values, sizeof values);
        npy_clear(&a);
    }
    assert_int_equal(npy_write(PATH, 0, NULL, values + 5), ATTN_OK);
    npy_array a = get();
    assert_int_equal(a.rank, 0);
    assert_true(a.values[0] == 7);
    npy_clear(&a);
    assert_int_equal(npy_write(PATH, 9, NULL, values), ATTN_ERROR_ARGUMENT);
}

static void converts_every_type(void **state)
{
    (void)state;
    static const struct {
        const char *descr;
        const char *bytes;
        size_t size;
        float first, second;
    } cases[] = {
        {"<f2", "\x00\x3c\x00\xc0", 4, 1, -2},
        {">f2", "\x3c\x00\xc0\x00", 4, 1, -2},
        {"<f4", "\x00\x00\x80\x3f\x00\x00\x00\xc0", 8, 1, -2},
        {">f4", "\x3f\x80\x00\x00\xc0\x00\x00\x00", 8, 1, -2},
        {"<f8", "\0\0\0\0\0\0\xf0\x3f\0\0\0\0\0\0\0\xc0", 16, 1, -2},
        {">f8", "\x3f\xf0\0\0\0\0\0\0\xc0\0\0\0\0\0\0\0", 16, 1, -2},
        {"|i1", "\x01\xfe", 2, 1, -2},
        {"|u1", "\x01\xfe", 2, 1, 254},
        {"<i8", "\1\0\0\0\0\0\0\0\xfe\xff\xff\xff\xff\xff\xff\xff", 16, 1, -2},
        {">i2", "\0\1\xff\xfe", 4, 1, -2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char header[100];
        snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (2,), }\n", cases[i].descr);
        put(1 + (int)(i % 3), header, cases[i].bytes, cases[i].size);
        npy_array a = get();
        assert_true(a.values[0] == cases[i].first);
        assert_true(a.values[1] == cases[i].second);
        npy_clear(&a);
    }
    put(1, "{'descr': '|b1', 'fortran_order': False, 'shape': (3,), }", "\0\1\2", 3);
    npy_array a = get();
    assert_null(a.values);
    assert_memory_equal(a.flags, "\0\1\1", 3);
    npy_clear(&a);
}

static void turns_fortran_order(void **state)
{
    (void)state;
    /* A (2, 3, 2) array whose value is its row-major index. */
    static const unsigned char bytes[12] = {0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11};
    put(1, "{\"shape\":(2,3,2), 'fortran_order':True,'descr':'|u1'}", bytes, 12);
    npy_array a = get();
    for (int i = 0; i < 12; i++) assert_true(a.values[i] == i);
    npy_clear(&a);
}

static void takes_empty_arrays(void **state)
{
    (void)state;
    put(1, "{'descr': '<f4', 'fortran_order': True, 'shape': (0, 9223372036854775807, 7), }", NULL, 0);
    npy_array a = get();
    assert_int_equal(a.count, 0);
    assert_int_equal(a.rank, 3);
    npy_clear(&a);
}

static void refuses_hostile_files(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        attn_status status;
        const char *words;
    } cases[] = {
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", ATTN_ERROR_FORMAT,
         "holds 8 bytes of elements, expected 12"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", ATTN_ERROR_FORMAT, "goes on after the 4 bytes"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }", ATTN_ERROR_FORMAT,
         "expected 4000000000000"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }", ATTN_ERROR_FORMAT,
         "shape[0] = 4611686018427387904"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", ATTN_ERROR_FORMAT,
         "a dimension"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", ATTN_ERROR_FORMAT, "a dimension"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }", ATTN_ERROR_UNSUPPORTED,
         "more than 8"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': 2, }", ATTN_ERROR_FORMAT, "a shape such as"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2", ATTN_ERROR_FORMAT, "',' or ')'"},
        {"{'descr': '<f4', 'fortran_order': 0, 'shape': (2,), }", ATTN_ERROR_FORMAT, "True or False"},
        {"{'descr': '<c8', 'fortran_order': False, 'shape': (2,), }", ATTN_ERROR_UNSUPPORTED, "descr is '<c8'"},
        {"{'descr': 'O', 'fortran_order': False, 'shape': (2,), }", ATTN_ERROR_UNSUPPORTED, "descr is 'O'"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", ATTN_ERROR_FORMAT, "a type such as"},
        {"{'descr': '<f4', 'descr': '<f4', 'shape': (2,), }", ATTN_ERROR_FORMAT, "once each"},
        {"{'descr': '<f4', 'shape': (2,), }", ATTN_ERROR_FORMAT, "the fields"},
        {"{'other': 1}", ATTN_ERROR_FORMAT, "field 'other'"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), } x", ATTN_ERROR_FORMAT, "nothing more"},
        {"", ATTN_ERROR_FORMAT, "expected '{'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put(1, cases[i].header, "12345678", 8);
        refused(cases[i].status, cases[i].words);
    }
    put(4, "{}", NULL, 0);
    refused(ATTN_ERROR_UNSUPPORTED, "version is 4.0");
    assert_int_equal(replace_file_save(PATH, "\x93NUMPY\2\0\xff\xff\xff\xff", 12), ATTN_OK);
    refused(ATTN_ERROR_FORMAT, "header length is 4294967295");
    assert_int_equal(replace_file_save(PATH, "\x93NUMPY\1\0\x80\0{", 11), ATTN_OK);
    refused(ATTN_ERROR_FORMAT, "ends within its header");
    assert_int_equal(replace_file_save(PATH, "PK", 2), ATTN_OK);
    refused(ATTN_ERROR_FORMAT, "expected an npy file");
    refused(ATTN_ERROR_FILE, "No such file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(returns_what_it_wrote), cmocka_unit_test(converts_every_type),
        cmocka_unit_test(turns_fortran_order),   cmocka_unit_test(takes_empty_arrays),
        cmocka_unit_test(refuses_hostile_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
