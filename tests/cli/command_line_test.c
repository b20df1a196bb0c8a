#include "shell.h"

static void tells_what_there_is(void **state)
{
    (void)state;
    assert_int_equal(shell("$ATTN --help"), 0);
    shell_said("Commands:");
    shell_said("  explain ");
    assert_int_equal(shell("$ATTN help explain"), 0);
    shell_said("Usage: attn explain [OPTION]... [FILE]...");
    assert_int_equal(shell("$ATTN --version"), 0);
    assert_int_equal(strncmp(shell_output, "attn ", 5), 0);
    assert_int_equal(shell("$ATTN"), 2);
    shell_said("Commands:");
}

static void every_command_has_help(void **state)
{
    (void)state;
    assert_int_equal(shell("$ATTN --help | sed -n '/^Commands/,/^$/s/^  \\([a-z]*\\) .*/\\1/p' |"
                           " while read -r c; do $ATTN $c --help >/dev/null || echo $c fails; done"),
                     0);
    shell_said_only("");
}

static void suggests_what_was_meant(void **state)
{
    (void)state;
    assert_int_equal(shell("$ATTN explian"), 2);
    shell_said_only("attn: unknown command \"explian\"; did you mean \"explain\"?\nTry \"attn --help\".\n");
    assert_int_equal(shell("$ATTN explain --jsno"), 2);
    shell_said_only(
        "attn explain: unknown option \"--jsno\"; did you mean \"--json\"?\nTry \"attn explain --help\".\n");
    assert_int_equal(shell("$ATTN --json explain"), 2);
    shell_said_only("attn: unknown option \"--json\"; options come after the command\nTry \"attn --help\".\n");
    assert_int_equal(shell("$ATTN --verison"), 2);
    shell_said_only("attn: unknown option \"--verison\"; did you mean \"--version\"?\nTry \"attn --help\".\n");
    assert_int_equal(shell("$ATTN help foo"), 2);
    shell_said_only("attn: unknown command \"foo\"\nTry \"attn --help\".\n");
    assert_int_equal(shell("$ATTN help frobnicate"), 2);
    shell_said("unknown command \"frobnicate\"\n");
}

static void a_full_disk_is_a_failure(void **state)
{
    (void)state;
    assert_int_equal(shell("test -c /dev/full || exit 1; for c in --version --help explain; do $ATTN $c >/dev/full && "
                           "exit 0; done; exit 1"),
                     1);
    shell_said("standard output: No space left on device");
}

static void a_file_size_limit_is_a_failure(void **state)
{
    (void)state;
    assert_int_equal(shell("d=$(mktemp -d); (ulimit -f 0; "
                           "$ATTN help translate > $d/y) 2>&1; s=$?; rm -r $d; exit $s"),
                     1);
    shell_said_only("attn help: standard output: File too large\n");
}

static void colours_only_where_wanted(void **state)
{
    (void)state;
    assert_int_equal(shell("TERM=xterm $ATTN --help"), 0);
    assert_null(strchr(shell_output, '\033'));
    if (shell("command -v script >/dev/null") != 0) return; /* it gives a command a terminal */
    assert_int_equal(shell("TERM=xterm NO_COLOR= script -qec \"$ATTN --help\" /dev/null </dev/null"), 0);
    shell_said("\033[1m");
    assert_int_equal(shell("TERM=xterm NO_COLOR=1 script -qec \"$ATTN --help\" /dev/null </dev/null"), 0);
    assert_null(strchr(shell_output, '\033'));
}

/* A shell's variable that is not set. */
static void what_is_empty_is_named(void **state)
{
    (void)state;
    assert_int_equal(shell("$ATTN train translate --train x --model y --from \"$nothing\""), 2);
    shell_said("attn train translate: --from: \"\", expected DIR\n");
    assert_int_equal(shell("$ATTN classify -m mnist \"$nothing\""), 2);
    shell_said("attn classify: an operand is \"\", expected [FILE...]\n");
    assert_int_equal(shell("$ATTN info \"$nothing\""), 2);
    shell_said("attn info: takes options only, but got 1 operand\n");
}

static void a_terminal_obeys_nothing_in_a_message(void **state)
{
    (void)state;
    assert_int_equal(shell("$ATTN run \"$(printf 'a\\033[31mb\\302\\233\\ncc')\" b c -o d"), 1);
    shell_said("attn run: a?[31mb??cc: cannot read");
    assert_int_equal(shell("$ATTN \"$(printf 'x\\033c')\""), 2);
    shell_said("unknown command \"x?c\"");
    assert_int_equal(shell("$ATTN run --\"$(printf 'x\\033c')\""), 2);
    shell_said("unknown option \"--x?c\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_what_there_is),
        cmocka_unit_test(every_command_has_help),
        cmocka_unit_test(suggests_what_was_meant),
        cmocka_unit_test(a_full_disk_is_a_failure),
        cmocka_unit_test(a_file_size_limit_is_a_failure),
        cmocka_unit_test(colours_only_where_wanted),
        cmocka_unit_test(what_is_empty_is_named),
        cmocka_unit_test(a_terminal_obeys_nothing_in_a_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
