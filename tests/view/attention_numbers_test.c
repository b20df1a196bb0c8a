#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "attn/seq.h"
#include "base/status.h"

#include <jansson.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH "view_attention.json.tmp"

/* Two layers of two heads over three positions, worked out by hand:
 *     A1 = ((.5 .5 0; 0 1 0; 0 0 1) + I) / 2 = (.75 .25 0; 0 1 0; 0 0 1)
 *     A2 = ((0 1 0; 1 0 0; .5 0 .5) + I) / 2 = (.5 .5 0; .5 .5 0; .25 0 .75) */
static const float weights[36] = {1, 0, 0, 0, 1, 0, 0,    0, 1,   0, 1, 0, 0, 1, 0, 0,    0, 1,
                                  0, 1, 0, 1, 0, 0, 0.5f, 0, .5f, 0, 1, 0, 1, 0, 0, 0.5f, 0, .5f};
static const char *const labels[] = {"a", "\"b\n</script>", "\xE7\x8C\xAB"};
static const attn_seq_attention attention = {ATTN_SEQ_ATTENTION_ENCODER, 2, 2, 3, 3, weights, labels, labels, NULL};

static void expect_roll(int64_t layer, const float *expected)
{
    float roll[9];
    assert_int_equal(attn_seq_attention_rollout(&attention, layer, roll), ATTN_OK);
    for (int i = 0; i < 9; i++) assert_float_equal(roll[i], expected[i], 1e-6);
}

static void rolls_out(void **state)
{
    (void)state;
    static const float first[] = {.75f, .25f, 0, 0, 1, 0, 0, 0, 1};
    static const float both[] = {.375f, .625f, 0, .375f, .625f, 0, .1875f, .0625f, .75f};
    expect_roll(0, first);
    expect_roll(1, both);
    expect_roll(-1, both);
    float roll[9];
    assert_int_equal(attn_seq_attention_rollout(&attention, 2, roll), ATTN_ERROR_ARGUMENT);
    assert_int_equal(attn_seq_attention_rollout(NULL, 0, roll), ATTN_ERROR_ARGUMENT);
    attn_seq_attention other = attention;
    other.kind = ATTN_SEQ_ATTENTION_CROSS;
    assert_int_equal(attn_seq_attention_rollout(&other, 0, roll), ATTN_ERROR_ARGUMENT);
    other = attention;
    other.columns = 2;
    assert_int_equal(attn_seq_attention_rollout(&other, 0, roll), ATTN_ERROR_ARGUMENT);
}

static double weight(const json_t *a, size_t layer, size_t head, size_t row, size_t column)
{
    const json_t *of_layer = json_array_get(json_object_get(a, "weights"), layer);
    const json_t *of_head = json_array_get(of_layer, head);
    return json_number_value(json_array_get(json_array_get(of_head, row), column));
}

static void writes_json(void **state)
{
    (void)state;
    float values[36];
    memcpy(values, weights, sizeof values);
    values[3] = 0.1f;
    values[4] = NAN;
    attn_seq_attention a = attention;
    a.weights = values;
    const attn_seq_attended inputs[] = {{ATTN_SEQ_TASK_TRANSLATE, "a \"b\"", "c", &a, 1},
                                        {ATTN_SEQ_TASK_CLASSIFY_TEXT, "", "", &a, 1}};
    assert_int_equal(attn_seq_attention_write_json(inputs, 2, PATH), ATTN_OK);
    json_error_t error;
    json_t *root = json_load_file(PATH, 0, &error);
    if (!root) fail_msg("%s", error.text);
    unlink(PATH);
    assert_int_equal(json_array_size(root), 2);
    json_t *input = json_array_get(root, 0), *kind = json_array_get(json_object_get(input, "attention"), 0);
    assert_string_equal(json_string_value(json_object_get(input, "source")), "a \"b\"");
    assert_string_equal(json_string_value(json_object_get(json_array_get(root, 1), "task")), "text");
    assert_string_equal(json_string_value(json_object_get(kind, "kind")), "encoder");
    assert_string_equal(json_string_value(json_array_get(json_object_get(kind, "rows"), 1)), "\"b </script>");
    assert_true((float)weight(kind, 0, 0, 1, 0) == 0.1f);
    assert_true(weight(kind, 1, 1, 2, 2) == 0.5);
    json_t *row = json_array_get(json_array_get(json_array_get(json_object_get(kind, "weights"), 0), 0), 1);
    assert_true(json_is_null(json_array_get(row, 1)));
    json_decref(root);
    assert_int_equal(attn_seq_attention_write_json(inputs, 0, PATH), ATTN_ERROR_ARGUMENT);
    assert_int_equal(attn_seq_attention_write_json(NULL, 1, PATH), ATTN_ERROR_ARGUMENT);
}

/* Patches must lie in the picture, and be as many as the columns. */
static void checks_patches(void **state)
{
    (void)state;
    static const uint8_t pixels[6 * 4] = {0};
    attn_seq_patches patches = {{6, 4, 1, pixels}, 1, 1, 2, 4, 4, 2, 1, true};
    attn_seq_attention a = attention;
    a.patches = &patches;
    const attn_seq_attended input = {ATTN_SEQ_TASK_CLASSIFY_IMAGE, "x.png", "7", &a, 1};
    assert_int_equal(attn_seq_attention_write_json(&input, 1, PATH), ATTN_OK);
    unlink(PATH);
    patches.leading = 2;
    assert_int_equal(attn_seq_attention_write_json(&input, 1, PATH), ATTN_ERROR_ARGUMENT);
}

int main(void)
{
    setlocale(LC_ALL, "de_DE.UTF-8"); /* where it is installed, a decimal comma must not reach the JSON */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rolls_out),
        cmocka_unit_test(writes_json),
        cmocka_unit_test(checks_patches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
