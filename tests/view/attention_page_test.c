#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/status.h"

#include "attn/seq.h"

#include <jansson.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH "view_attention_page.html.tmp"

static const char hostile[] = "</script><script>alert(1)</script><!-- & \" \\ ' \xFF \xE2\x80\xA8 \033";
static const char *const rows[] = {hostile, "b"}, *const columns[] = {"\xC3\xA9", "</title>", "]]>"};
static const float weights[24] = {0.25f, 0.5f, 0.25f, 1, 0, 0, 0.12345f, NAN, 2, -1, 0, 0};

static const attn_seq_attention attention = {ATTN_SEQ_ATTENTION_CROSS, 2, 2, 2, 3, weights, rows, columns, NULL};

static char *page(void)
{
    const attn_seq_attended sentence = {ATTN_SEQ_TASK_TRANSLATE, hostile, hostile, &attention, 1};
    if (attn_seq_attention_write_html(&sentence, 1, PATH) != ATTN_OK) fail_msg("%s", status_message());
    FILE *f = fopen(PATH, "rb");
    assert_non_null(f);
    char *text = calloc(1, 1 << 20);
    assert_in_range(fread(text, 1, (1 << 20) - 1, f), 1000, (1 << 20) - 2);
    fclose(f);
    unlink(PATH);
    return text;
}

static int occurrences(const char *text, const char *word)
{
    int count = 0;
    for (; (text = strstr(text, word)); text++) count++;
    return count;
}

/* base64 of little-endian numbers of 16 bits. */
static void same_numbers(const char *text, const unsigned *expected, size_t count)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned char bytes[256];
    size_t length = 0;
    assert_int_equal(strlen(text), (2 * count + 2) / 3 * 4);
    for (const char *c = text; *c; c += 4) {
        unsigned bits = 0;
        for (int i = 0; i < 4; i++) bits = bits << 6 | (c[i] == '=' ? 0 : (unsigned)(strchr(digits, c[i]) - digits));
        for (int shift = 16; shift >= 0; shift -= 8) bytes[length++] = (unsigned char)(bits >> shift);
    }
    for (size_t i = 0; i < count; i++) assert_int_equal(bytes[2 * i] | bytes[2 * i + 1] << 8, expected[i]);
}

static void holds_the_weights(void **state)
{
    (void)state;
    char *text = page(), *data = strstr(text, "id=\"data\">");
    assert_non_null(data);
    data += strlen("id=\"data\">");
    *strstr(data, "</script>") = 0;
    json_error_t error;
    json_t *root = json_loads(data, 0, &error);
    if (!root) fail_msg("%s", error.text);
    json_t *a = json_array_get(json_object_get(json_array_get(json_object_get(root, "inputs"), 0), "attention"), 0);
    assert_string_equal(json_string_value(json_object_get(a, "kind")), "cross");
    assert_int_equal(json_integer_value(json_object_get(a, "kept")), 0);
    static const unsigned expected[24] = {16384, 32768, 16384, 65535, 0, 0, 8090, 0, 65535};
    same_numbers(json_string_value(json_object_get(a, "weights")), expected, 24);
    assert_string_equal(json_string_value(json_array_get(json_object_get(a, "columns"), 0)), "\xC3\xA9");
    assert_string_equal(json_string_value(json_array_get(json_object_get(a, "columns"), 1)), "</title>");
    json_decref(root);
    free(text);
}

static void no_text_can_break_out(void **state)
{
    (void)state;
    char *text = page();
    assert_int_equal(occurrences(text, "<script"), 2);
    assert_int_equal(occurrences(text, "</script"), 2);
    assert_int_equal(occurrences(text, "alert(1)"), 3);
    assert_null(strstr(text, "<script>alert"));
    assert_null(strstr(text, "<!--"));
    assert_null(strchr(text, '\033'));
    assert_null(strstr(text, "http:")); /* nothing is loaded */
    assert_null(strstr(text, "https:"));
    free(text);
}

static void averages_layers_and_heads(void **state)
{
    (void)state;
    float mean[6];
    const float two[24] = {1, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 8};
    attn_seq_attention a = attention;
    a.weights = two;
    assert_int_equal(attn_seq_attention_mean(&a, -1, -1, mean), ATTN_OK);
    assert_true(mean[0] == 4 && mean[5] == 2 && mean[1] == 0);
    assert_int_equal(attn_seq_attention_mean(&a, 1, -1, mean), ATTN_OK);
    assert_true(mean[0] == 6 && mean[5] == 4);
    assert_int_equal(attn_seq_attention_mean(&a, -1, 0, mean), ATTN_OK);
    assert_true(mean[0] == 3);
    assert_int_equal(attn_seq_attention_mean(&a, 0, 1, mean), ATTN_OK);
    assert_true(mean[0] == 3);
    assert_int_equal(attn_seq_attention_mean(&a, 2, 0, mean), ATTN_ERROR_ARGUMENT);
    assert_int_equal(attn_seq_attention_mean(&a, 0, -2, mean), ATTN_ERROR_ARGUMENT);
    assert_int_equal(attn_seq_attention_mean(NULL, 0, 0, mean), ATTN_ERROR_ARGUMENT);
}

static void refused(const attn_seq_attention *a)
{
    const attn_seq_attended sentence = {ATTN_SEQ_TASK_TRANSLATE, "a", "b", a, 1};
    assert_int_equal(attn_seq_attention_write_html(&sentence, 1, PATH), ATTN_ERROR_ARGUMENT);
    assert_int_not_equal(access(PATH, F_OK), 0);
}

static void refuses_nonsense(void **state)
{
    (void)state;
    attn_seq_attention a;
    a = attention;
    a.layers = 0;
    refused(&a);
    a = attention;
    a.rows = INT64_MAX;
    refused(&a);
    a = attention;
    a.heads = 1 << 27; /* too much for a browser */
    refused(&a);
    a = attention;
    a.weights = NULL;
    refused(&a);
    a = attention;
    a.row_labels = NULL;
    refused(&a);
    a = attention;
    a.kind = 4;
    refused(&a);
    const attn_seq_attended none = {ATTN_SEQ_TASK_TRANSLATE, "a", "b", &attention, 0},
                            untold = {ATTN_SEQ_TASK_TRANSLATE, NULL, "b", &attention, 1};
    assert_int_equal(attn_seq_attention_write_html(&none, 1, PATH), ATTN_ERROR_ARGUMENT);
    assert_int_equal(attn_seq_attention_write_html(&untold, 1, PATH), ATTN_ERROR_ARGUMENT);
    assert_int_equal(attn_seq_attention_write_html(NULL, 1, PATH), ATTN_ERROR_ARGUMENT);
    assert_int_equal(attn_seq_attention_write_html(&none, 0, PATH), ATTN_ERROR_ARGUMENT);
}

int main(void)
{
    setlocale(LC_ALL, "de_DE.UTF-8"); /* where it is installed, a decimal comma must not reach the JSON */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_the_weights),
        cmocka_unit_test(no_text_can_break_out),
        cmocka_unit_test(averages_layers_and_heads),
        cmocka_unit_test(refuses_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
