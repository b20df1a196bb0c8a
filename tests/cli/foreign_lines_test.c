/* Lines and files as other systems and mishaps leave them: byte order marks, carriage returns, NUL bytes, no content.
 */
#include "shell.h"

#define FIXTURES "$TESTS/../fixtures"
#define IMAGES "-m " FIXTURES "/vit/colour "
#define IMAGE FIXTURES "/vit/colour/input.png"
#define TRANSLATE "$ATTN translate -m " FIXTURES "/marian/shared -b 1 "

static int make_text_model(void **state)
{
    (void)state;
    return shell("mkdir -p foreign.tmp/bert && cp " FIXTURES "/bert/plain/[cm]* foreign.tmp/bert && "
                 "printf '[PAD]\\n[UNK]\\n[CLS]\\n[SEP]\\ngood\\n' >foreign.tmp/bert/vocab.txt && cp " IMAGE
                 " foreign.tmp/a.png");
}

static int remove_text_model(void **state)
{
    (void)state;
    return shell("rm -r foreign.tmp");
}

static void marks_of_windows_are_no_text(void **state)
{
    (void)state;
    assert_int_equal(shell("printf '\\357\\273\\277good\\r\\n\\357\\273\\277x\\r\\r\\n\\r\\nend\\r' | "
                           "$ATTN classify -m foreign.tmp/bert --json | sed 's/, \"label.*//'"),
                     0);
    shell_said_only("{\"text\": \"good\"\n{\"text\": \"\357\273\277x\\u000d\"\n{\"text\": \"\"\n{\"text\": \"end\"\n");
    assert_int_equal(shell("printf '\\357\\273\\277foreign.tmp/a.png\\r\\n\\r\\nforeign.tmp/a.png\\r\\n' | "
                           "ATTN_MODELS=" FIXTURES "/vit $ATTN classify | sed 's/LABEL_.*/label/'"),
                     0);
    shell_said_only("foreign.tmp/a.png\tlabel\n\nforeign.tmp/a.png\tlabel\n");
    assert_int_equal(shell("printf '\\357\\273\\277' | $ATTN classify -m foreign.tmp/bert"), 0);
    shell_said_only("\n");
}

static void a_nul_byte_ends_no_line_unseen(void **state)
{
    (void)state;
    assert_int_equal(shell("printf 'ab\\0c\\nabc\\n' | " TRANSLATE "2>&1 >foreign.tmp/out; n=$?; wc -l "
                           "<foreign.tmp/out; exit $n"),
                     1);
    shell_said_only("attn translate: standard input:1: a NUL byte at column 3, expected text\n2\n");
    assert_int_equal(shell("printf 'good\\0\\n' | $ATTN classify -m foreign.tmp/bert"), 1);
    shell_said("standard input:1: a NUL byte at column 5, expected text\n");
    assert_int_equal(shell("printf 'a\\tb\\0c\\n' | $ATTN score -m " FIXTURES "/marian/shared"), 1);
    shell_said("standard input:1: target: a NUL byte at column 2, expected text\n");
    assert_int_equal(shell("printf 'foreign.tmp/a.png\\0foreign.tmp/a.png\\0' | $ATTN classify " IMAGES), 1);
    shell_said("foreign.tmp/a.png\t\n");
    shell_said("standard input:1: a NUL byte in the line, expected one path a line\n");
}

/* A download that failed is empty, or a page that says so. */
static void what_only_its_name_calls_a_picture_is_no_text(void **state)
{
    (void)state;
    static const char wanted[] = ": not an image or a recording: expected PNG, JPEG, IDX or WAV\n";
    char said[200];
    assert_int_equal(shell(": >foreign.tmp/b.png; echo '<html>' >foreign.tmp/c.JPG; $ATTN classify " IMAGES
                           "foreign.tmp/a.png foreign.tmp/b.png foreign.tmp/c.JPG"),
                     1);
    shell_said("foreign.tmp/a.png\tcat\n");
    for (int i = 0; i < 2; i++) {
        snprintf(said, sizeof said, "attn classify: foreign.tmp/%s%s", i ? "c.JPG" : "b.png", wanted);
        shell_said(said);
    }
    assert_int_equal(shell("ATTN_MODELS=" FIXTURES "/vit:foreign.tmp $ATTN classify foreign.tmp/c.JPG"), 1);
    shell_said(wanted);
    assert_int_equal(shell("$ATTN classify -m foreign.tmp/bert foreign.tmp/c.JPG"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marks_of_windows_are_no_text),
        cmocka_unit_test(a_nul_byte_ends_no_line_unseen),
        cmocka_unit_test(what_only_its_name_calls_a_picture_is_no_text),
    };
    return cmocka_run_group_tests(tests, make_text_model, remove_text_model);
}
