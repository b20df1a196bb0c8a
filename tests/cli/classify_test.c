#include "shell.h"

#include <jansson.h>

#define FIXTURES "$TESTS/../fixtures"
#define IMAGES "-m " FIXTURES "/vit/colour "
#define IMAGE FIXTURES "/vit/colour/input.png"
#define SOUND FIXTURES "/ast/apart/input.wav"

static void labels_a_path(void **state)
{
    (void)state;
    assert_int_equal(shell("cp " IMAGE " classify.tmp.png && $ATTN classify " IMAGES "classify.tmp.png"), 0);
    assert_string_equal(shell_output, "classify.tmp.png\tcat\n");
    assert_int_equal(shell("echo classify.tmp.png | $ATTN classify " IMAGES "--scores"), 0);
    assert_int_equal(strncmp(shell_output, "classify.tmp.png\tcat\tcat:0.", 27), 0);
    assert_int_equal(shell("printf 'classify.tmp.png\\r\\n' | ATTN_MODELS=" FIXTURES "/vit $ATTN classify"), 0);
    shell_said("classify.tmp.png\tLABEL_");
    assert_int_equal(shell("echo classify.tmp.png >classify.tmp.txt; $ATTN classify " IMAGES
                           "classify.tmp.txt classify.tmp.png; rm classify.tmp.*"),
                     0);
    assert_string_equal(shell_output, "classify.tmp.png\tcat\nclassify.tmp.png\tcat\n");
}

/* So that columns stay columns. */
static void shows_no_tab_of_a_name(void **state)
{
    (void)state;
    assert_int_equal(shell("cp " IMAGE " \"$(printf 'classify\\t.tmp\\n.png')\" && $ATTN classify " IMAGES
                           "classify*.png && $ATTN classify --json " IMAGES "classify*.png; rm classify*.png"),
                     0);
    shell_said("classify?.tmp?.png\tcat\n");
    shell_said("{\"path\": \"classify\\u0009.tmp\\u000a.png\", \"label\": \"cat\"");
}

/* Runs all the same, as in transformers, which warns too. */
static void tells_of_weights_without_a_place(void **state)
{
    (void)state;
    assert_int_equal(shell("mkdir classify.tmp && cp -r " FIXTURES "/vit/colour classify.tmp/vit && sed -i "
                           "'s/\"num_hidden_layers\": 2/\"num_hidden_layers\": 1/' classify.tmp/vit/config.json && "
                           "$ATTN classify -m classify.tmp/vit " IMAGE "; n=$?; ATTN_MODELS=classify.tmp $ATTN info "
                           "| grep -c 'without a place'; rm -r classify.tmp; exit $n"),
                     0);
    shell_said("attn classify: classify.tmp/vit: model.safetensors holds 13 weights without a place in what "
               "config.json describes: vit.encoder.layer.1.");
    shell_said("\n1\n");
}

static void ends_with_its_reader(void **state)
{
    (void)state;
    assert_int_equal(shell("yes " IMAGE " | head -n 3000 | $ATTN classify " IMAGES "| head -n 1"), 0);
    char *end = strchr(shell_output, '\n');
    assert_non_null(end);
    assert_string_equal(end, "\n");
}

/* The kind of the first input picks the model. */
static void finds_the_model(void **state)
{
    (void)state;
    assert_int_equal(shell("ATTN_MODELS=" FIXTURES "/vit:" FIXTURES "/ast $ATTN classify " SOUND), 0);
    shell_said("input.wav\tLABEL_0\n");
    assert_int_equal(shell("echo " IMAGE " | ATTN_MODELS=" FIXTURES "/ast:" FIXTURES "/vit $ATTN classify"), 0);
    shell_said("input.png\tLABEL_");
    assert_int_equal(shell("$ATTN classify " IMAGES "--kind audio " SOUND), 1);
    shell_said("another kind than --kind says");
    assert_int_equal(shell("$ATTN classify -m " FIXTURES "/marian/shared " SOUND), 1);
    shell_said("a model that does not classify");
}

/* The library looks beside itself too, where models for every kind may lie; a copy of it has nothing beside it. */
static void names_where_it_looked(void **state)
{
    (void)state;
    assert_int_equal(shell("mkdir -p classify.tmp/alone/lib && cp \"${ATTN%%/*}\"/../lib/libattnseq.so.0.1 "
                           "classify.tmp/alone/lib && "
                           "LD_LIBRARY_PATH=classify.tmp/alone/lib ATTN_MODELS=" FIXTURES
                           "/vit $ATTN classify --kind audio " SOUND "; status=$?; rm -r classify.tmp; exit $status"),
                     1);
    shell_said("no model that classifies audio is installed in ");
}

/* Two images of 2 x 3 pixels, and one label for each. */
static void labels_idx_images(void **state)
{
    (void)state;
    assert_int_equal(
        shell("printf '\\0\\0\\10\\3\\0\\0\\0\\2\\0\\0\\0\\2\\0\\0\\0\\3abcdefghijkl' >classify.tmp.idx && "
              "gzip -kf classify.tmp.idx && $ATTN classify -m " FIXTURES
              "/vit/grey classify.tmp.idx classify.tmp.idx.gz; status=$?; exit $status"),
        0);
    int lines = 0;
    for (const char *c = shell_output; *c; c++) lines += *c == '\n';
    assert_int_equal(lines, 4);
    assert_int_equal(strncmp(shell_output, "LABEL_", 6), 0);
    assert_int_equal(shell("$ATTN classify -m " FIXTURES "/vit/grey --attention classify.tmp.npy classify.tmp.idx && "
                           "ls classify.tmp.npy classify.tmp-2.npy; status=$?; rm classify.tmp*; exit $status"),
                     0);
}

/* An image or a recording itself, redirected or by a pipe; nothing of it stays behind. */
static void labels_what_standard_input_is(void **state)
{
    (void)state;
    assert_int_equal(shell("$ATTN classify " IMAGES "<" IMAGE), 0);
    assert_string_equal(shell_output, "-\tcat\n");
    assert_int_equal(shell("(head -c 6 " IMAGE "; sleep 0.1; tail -c +7 " IMAGE ") | ATTN_MODELS=" FIXTURES
                           "/ast:" FIXTURES "/vit $ATTN classify"),
                     0);
    assert_int_equal(strncmp(shell_output, "-\tLABEL_", 8), 0);
    assert_int_equal(shell("ATTN_MODELS=" FIXTURES "/vit:" FIXTURES "/ast $ATTN classify - " SOUND " <" SOUND), 0);
    assert_int_equal(strncmp(shell_output, "-\tLABEL_0\n", 10), 0);
    shell_said("input.wav\tLABEL_0\n");
    assert_int_equal(shell("printf '\\0\\0\\10\\3\\0\\0\\0\\2\\0\\0\\0\\2\\0\\0\\0\\3abcdefghijkl' | gzip | "
                           "$ATTN classify -m " FIXTURES "/vit/grey | cut -c 1-6"),
                     0);
    assert_string_equal(shell_output, "LABEL_\nLABEL_\n");
    assert_int_equal(shell("mkdir classify.tmp; head -c 60 " IMAGE " | TMPDIR=classify.tmp $ATTN classify " IMAGES
                           "- " IMAGE "; status=$?; rmdir classify.tmp && exit $status"),
                     1);
    shell_said("-\t\n");
    shell_said("input.png\tcat\n");
    shell_said("attn classify: -: ");
    assert_null(strstr(shell_output, "attn-"));
    assert_int_equal(shell("TMPDIR=nowhere $ATTN classify " IMAGES "<" IMAGE), 1);
    shell_said("attn classify: -: a copy in nowhere: No such file");
    assert_int_equal(shell("$ATTN classify " IMAGES "<" SOUND), 1);
    shell_said("attn classify: -: a recording, expected an image");
    assert_int_equal(shell("ATTN_MODELS=" FIXTURES "/bert/plain $ATTN classify --kind text <" IMAGE), 1);
    shell_said("an image, expected lines of text");
}

static void goes_on_after_what_is_wrong(void **state)
{
    (void)state;
    assert_int_equal(shell("(echo nothing.png; echo " IMAGE "; echo " SOUND ") | $ATTN classify --json " IMAGES), 1);
    shell_said("{\"path\": \"nothing.png\", \"label\": null}\n");
    shell_said("\"label\": \"cat\", \"scores\": {\"cat\": 0.");
    shell_said("standard input:1: nothing.png: No such file");
    shell_said("standard input:3: ");
    shell_said("a recording, expected an image");
    assert_int_equal(shell("printf 'GIF89a......' >classify.gif; echo classify.gif | $ATTN classify " IMAGES), 1);
    shell_said("a GIF image, expected");
    assert_int_equal(shell("$ATTN classify classify.gif; n=$?; rm classify.gif; exit $n"), 1);
    shell_said("a GIF image, expected");
    assert_int_equal(shell("gzip -c " IMAGE " >classify.gz; $ATTN classify classify.gz; n=$?; rm classify.gz; exit $n"),
                     1);
    shell_said("an image in a gzip file, expected it uncompressed");
    assert_int_equal(shell("(echo; echo " IMAGE "; echo ' ') | $ATTN classify " IMAGES), 0);
    assert_int_equal(strncmp(shell_output, "\n", 1), 0);
    shell_said("input.png\tcat\n\n");
    assert_int_equal(shell("(echo; echo " IMAGE ") | ATTN_MODELS=" FIXTURES "/vit $ATTN classify"), 0);
    shell_said("input.png\tLABEL_");
}

/* Several files of texts, one that is not there, a folder, a damaged gzip file, an image: the lines of the others. */
static void goes_on_after_a_file_of_texts_that_cannot_be_read(void **state)
{
    (void)state;
    assert_int_equal(shell("mkdir -p classify.tmp/bert && cp " FIXTURES "/bert/plain/[cm]* classify.tmp/bert && "
                           "printf '[PAD]\\n[UNK]\\n[CLS]\\n[SEP]\\ngood\\n' >classify.tmp/bert/vocab.txt"),
                     0);
    assert_int_equal(shell("echo good >classify.tmp.txt; printf '\\037\\213bad' >classify.tmp.gz; $ATTN classify "
                           "-m classify.tmp/bert nothing.txt classify.tmp.txt . classify.tmp.gz " IMAGE
                           " classify.tmp.txt 2>classify.tmp.err"),
                     1);
    assert_string_equal(shell_output, "LABEL_1\nLABEL_1\n");
    assert_int_equal(shell("cat classify.tmp.err"), 0);
    shell_said("nothing.txt: No such file");
    shell_said(".: Is a directory");
    shell_said("classify.tmp.gz: the gzip file is ");
    shell_said("input.png: an image, expected lines of text");
    assert_int_equal(shell("ATTN_MODELS=classify.tmp $ATTN classify nothing.txt classify.tmp.txt"), 1);
    shell_said("nothing.txt: No such file");
    shell_said("LABEL_");
    assert_int_equal(shell("ATTN_MODELS=classify.tmp $ATTN classify nothing.txt nothing.png"), 1);
    shell_said("nothing.txt: No such file");
    shell_said("nothing.png: No such file");
    assert_int_equal(
        shell("mkfifo classify.tmp.pipe; cat classify.tmp.txt >classify.tmp.pipe & ATTN_MODELS=classify.tmp "
              "$ATTN classify classify.tmp.pipe; status=$?; rm -r classify.tmp*; exit $status"),
        0);
    shell_said("LABEL_");
}

/* Files named on the command line as well as in lines; a folder, a damaged IDX file and one that is not there. */
static void goes_on_after_a_file_that_cannot_be_read(void **state)
{
    (void)state;
    assert_int_equal(shell("printf '\\0\\0\\10\\3\\0\\0\\0\\2abc' >classify.tmp.idx; $ATTN classify " IMAGES
                           "nothing.png " IMAGE " . classify.tmp.idx " IMAGE "; status=$?; rm classify.tmp.idx; "
                           "exit $status"),
                     1);
    shell_said("nothing.png\t\n");
    shell_said("input.png\tcat\n.\t\n");
    shell_said("classify.tmp.idx\t\n");
    shell_said("nothing.png: No such file");
    shell_said(".: Is a directory");
    assert_int_equal(shell("ATTN_MODELS=" FIXTURES "/vit $ATTN classify nothing.png " IMAGE), 1);
    shell_said("nothing.png\t\n");
    shell_said("input.png\tLABEL_");
    assert_int_equal(shell("ATTN_MODELS=" FIXTURES "/vit $ATTN classify nothing.png"), 1);
    shell_said_only("attn classify: nothing.png: No such file or directory\n");
    assert_int_equal(shell("$ATTN classify 'A warm film.'"), 1);
    shell_said_only(
        "attn classify: A warm film.: No such file or directory; a text itself comes by standard input: echo "
        "TEXT | attn classify\n");
}

static void draws_what_was_attended_to(void **state)
{
    (void)state;
    assert_int_equal(shell("$ATTN classify " IMAGES "--attention - --rollout " IMAGE), 0);
    shell_said("cat (0.64): roll-out of layers 1 to 2\n");
    assert_int_equal(shell("$ATTN classify " IMAGES "--attention classify.tmp.json " IMAGE), 0);
    json_error_t error;
    json_t *root = json_load_file("classify.tmp.json", 0, &error);
    if (!root) fail_msg("%s", error.text);
    json_t *kind = json_array_get(json_object_get(json_array_get(root, 0), "attention"), 0);
    assert_int_equal(json_array_size(json_object_get(kind, "weights")), 2);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(kind, "patches"), "leading")), 1);
    json_decref(root);
    assert_int_equal(shell("rm classify.tmp.json; $ATTN classify " IMAGES
                           "--attention classify.tmp.png --layer 2 " IMAGE
                           " && head -c 4 classify.tmp.png | tail -c 3; rm classify.tmp.png"),
                     0);
    shell_said("PNG");
    assert_int_equal(shell("$ATTN classify -m " FIXTURES "/ast/apart --attention - " SOUND), 0);
    shell_said("rows: frequency, high ones first, columns: time\n");
    assert_int_equal(shell("$ATTN classify " IMAGES "--attention - --layer 9 " IMAGE), 1);
    shell_said_only("attn classify: there is no layer 9: the model has 2 layers of 4 heads\n");
    assert_int_equal(shell("$ATTN classify --layer 1 " IMAGE), 2);
    shell_said("attn classify: --layer goes with --attention\n");
    assert_int_equal(shell("$ATTN classify --attention x.gif"), 2);
    assert_int_equal(shell("$ATTN classify --attention x.png --head 1 --rollout"), 2);
}

static void writes_a_page(void **state)
{
    (void)state;
    assert_int_equal(shell("$ATTN look -m " FIXTURES "/marian/shared -o look.tmp.html 'A b c.' && grep -c encoder "
                           "look.tmp.html; rm look.tmp.html"),
                     0);
    assert_int_equal(shell("$ATTN look " IMAGES "-o look.tmp.html " IMAGE " && grep -c pixels look.tmp.html; "
                           "rm look.tmp.html"),
                     0);
    shell_said("cat (0.64)\n");
    assert_int_equal(shell("$ATTN look " IMAGES "-o look.tmp.html nothing.png"), 1);
    shell_said("nothing.png: no such file");
    assert_int_equal(shell("$ATTN look -m " FIXTURES "/marian/shared -o look.tmp.html nothing.png"), 1);
    shell_said("nothing.png: no such file");
    assert_int_equal(shell("head -c 10000000 /dev/zero | tr '\\0' a >look.tmp.txt; $ATTN look -m " FIXTURES
                           "/marian/shared -o look.tmp.html look.tmp.txt; status=$?; rm look.tmp.txt; exit $status"),
                     1);
    shell_said_only(
        "attn look: look.tmp.txt:1: 10000000 bytes, expected at most 65536: longer ones have too many weights "
        "for a page\n");
    assert_int_equal(shell("$ATTN look -m " FIXTURES "/marian/shared -o look.tmp.html \"$(yes abc | head -n 400)\""),
                     0);
    shell_said("attn look: the text: longer than the model takes: translated in parts");
    assert_int_equal(shell("$ATTN look -m " FIXTURES "/marian/shared -o look.tmp.html \"$(printf 'a\\377')\""), 1);
    shell_said_only("attn look: the text: invalid UTF-8: byte 0xff at column 2\n");
    assert_int_equal(shell("(seq 40; echo; seq 41 103) | sed 's/./a &b./' >look.tmp.txt; grep . look.tmp.txt | "
                           "head -n 100 | $ATTN translate -m " FIXTURES
                           "/marian/shared >look.tmp.out; $ATTN look -m " FIXTURES
                           "/marian/shared -o look.tmp.html look.tmp.txt 2>look.tmp.err | cmp - look.tmp.out; "
                           "s=$?; cat look.tmp.err; rm look.tmp.*; exit $s"),
                     0);
    shell_said("attn look: look.tmp.txt:102: the page holds the 100 inputs before this one, and no more\n");
    assert_int_equal(shell("$ATTN look -o page.png x"), 2);
    assert_int_equal(shell("printf 'A b.\\nC.\\n' | $ATTN look -m " FIXTURES "/marian/shared -o look.tmp.html - 2>&- |"
                           "wc -l; rm look.tmp.html"),
                     0);
    shell_said_only("2\n");
    assert_int_equal(shell("$ATTN look -m " FIXTURES "/marian/shared -o look.tmp.html </dev/null"), 1);
    shell_said("nothing to look at");
    assert_int_equal(shell("yes 'A b.' | head -n 150 | $ATTN look -m " FIXTURES
                           "/marian/shared -o look.tmp.html >look.tmp.txt && test -s look.tmp.html && "
                           "test $(wc -l <look.tmp.txt) = 100; status=$?; rm look.tmp.html look.tmp.txt; exit $status"),
                     0);
    shell_said("attn look: standard input:101: the page holds the 100 inputs before this one, and no more\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_a_path),
        cmocka_unit_test(shows_no_tab_of_a_name),
        cmocka_unit_test(tells_of_weights_without_a_place),
        cmocka_unit_test(ends_with_its_reader),
        cmocka_unit_test(finds_the_model),
        cmocka_unit_test(names_where_it_looked),
        cmocka_unit_test(labels_idx_images),
        cmocka_unit_test(labels_what_standard_input_is),
        cmocka_unit_test(goes_on_after_what_is_wrong),
        cmocka_unit_test(goes_on_after_a_file_that_cannot_be_read),
        cmocka_unit_test(goes_on_after_a_file_of_texts_that_cannot_be_read),
        cmocka_unit_test(draws_what_was_attended_to),
        cmocka_unit_test(writes_a_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
