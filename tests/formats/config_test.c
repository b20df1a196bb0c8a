#include "../scratch.h"

#include "formats/config.h"
#include "base/status.h"

static config *parse(const char *text)
{
    config *c;
    assert_int_equal(config_parse(&c, "config.json", text, strlen(text)), ATTN_OK);
    return c;
}

/* What the getters keep is the status and the message expected. */
static void fails_with(config *c, attn_status status, const char *message)
{
    assert_int_equal(config_status(c), status);
    assert_string_equal(status_message(), message);
    config_destroy(c);
}

static void reads_every_kind(void **state)
{
    (void)state;
    static const char *const names[] = {"relu", "gelu", NULL};
    config *c = parse("{\"i\": -3, \"f\": 0.25, \"b\": true, \"s\": \"text\", \"n\": null, \"a\": \"gelu\"}");
    assert_int_equal(config_integer(c, "i", -3, 3), -3);
    assert_int_equal(config_integer_or(c, "none", 0, 9, 7), 7);
    assert_int_equal(config_integer_or(c, "n", 0, 9, 7), 7);
    assert_true(config_number_or(c, "f", 0, 1, 0) == 0.25);
    assert_true(config_number_or(c, "i", -9, 1, 0) == -3);
    assert_true(config_bool_or(c, "b", false));
    assert_true(config_bool_or(c, "none", true));
    assert_string_equal(config_string(c, "s"), "text");
    assert_null(config_string_or(c, "n", NULL));
    assert_int_equal(config_choice_or(c, "a", names, 0), 1);
    assert_true(config_has(c, "f"));
    assert_false(config_has(c, "n"));
    assert_int_equal(config_status(c), ATTN_OK);
    config_destroy(c);
}

static void failures_name_file_field_value_and_expectation(void **state)
{
    (void)state;
    static const char *const names[] = {"relu", "gelu", NULL};
    config *c = parse("{\"d\": \"wide\"}");
    config_integer(c, "d", 1, 64);
    fails_with(c, ATTN_ERROR_FORMAT, "config.json: d is \"wide\", expected an integer from 1 to 64");

    c = parse("{\"d\": 65}");
    config_integer_or(c, "d", 1, 64, 3);
    fails_with(c, ATTN_ERROR_FORMAT, "config.json: d is 65, expected an integer from 1 to 64");

    c = parse("{}");
    config_integer(c, "d", 1, 64);
    config_string(c, "later failures do not replace the first");
    fails_with(c, ATTN_ERROR_FORMAT, "config.json: d is missing, expected an integer from 1 to 64");

    c = parse("{\"d\": 1.5}");
    config_number_or(c, "d", 0, 1, 0);
    fails_with(c, ATTN_ERROR_FORMAT, "config.json: d is 1.5, expected a number from 0 to 1");

    c = parse("{\"b\": 1}");
    config_bool_or(c, "b", false);
    fails_with(c, ATTN_ERROR_FORMAT, "config.json: b is 1, expected true or false");

    c = parse("{\"a\": \"mish\"}");
    config_choice_or(c, "a", names, 0);
    fails_with(c, ATTN_ERROR_UNSUPPORTED, "config.json: a is \"mish\", expected one of relu, gelu");
}

static void refuses_what_is_no_object(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "[1]", "{", "{} {}", "{\"a\": 1, \"a\": 2}", "{\"a\": \"\xff\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        config *c;
        assert_int_equal(config_parse(&c, "config.json", bad[i], strlen(bad[i])), ATTN_ERROR_FORMAT);
        assert_null(c);
        assert_non_null(strstr(status_message(), "config.json: "));
    }
}

static void reads_files(void **state)
{
    (void)state;
    config *c;
    assert_int_equal(config_open(&c, "no/such.json"), ATTN_ERROR_FILE);
    assert_string_equal(status_message(), "no/such.json: cannot read: No such file or directory");
    assert_int_equal(config_open(&c, "."), ATTN_ERROR_FILE);
    assert_int_equal(config_open(&c, "/dev/zero"), ATTN_ERROR_FILE); /* endless */
    assert_string_equal(status_message(), "/dev/zero: a pipe or a device, expected a file");
    const char *path = scratch_write("long.json", "", 0);
    assert_int_equal(truncate(path, (off_t)CONFIG_MOST_BYTES + 1), 0);
    assert_int_equal(config_open(&c, path), ATTN_ERROR_FORMAT);
    assert_non_null(strstr(status_message(), "longer than"));
}

static void sum(void *argument, const char *name, int64_t value)
{
    *(int64_t *)argument += value * (int64_t)strlen(name);
}

static void walks_a_vocabulary(void **state)
{
    (void)state;
    int64_t total = 0;
    config *c = parse("{\"a\": 1, \"bb\": 10}");
    assert_int_equal(config_count(c), 2);
    assert_int_equal(config_each_integer(c, 0, 10, sum, &total), ATTN_OK);
    assert_int_equal(total, 21);
    assert_int_equal(config_each_integer(c, 0, 9, sum, &total), ATTN_ERROR_FORMAT);
    fails_with(c, ATTN_ERROR_FORMAT, "config.json: bb is 10, expected an integer from 0 to 9");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_kind),          cmocka_unit_test(failures_name_file_field_value_and_expectation),
        cmocka_unit_test(refuses_what_is_no_object), cmocka_unit_test(reads_files),
        cmocka_unit_test(walks_a_vocabulary),
    };
    return cmocka_run_group_tests(tests, scratch_create, scratch_remove);
}
