#include "shell.h"

#include "attn/attn.h"

#include <jansson.h>

#define MODELS "$TESTS/../fixtures/marian"

static void tells_the_same_in_json(void **state)
{
    (void)state;
    json_error_t error;
    assert_int_equal(shell("ATTN_CPU=scalar ATTN_MODELS= $ATTN info --json"), 0);
    json_t *root = json_loads(shell_output, 0, &error);
    if (!root) fail_msg("%s: %s", error.text, shell_output);
    assert_string_equal(json_string_value(json_object_get(root, "instructions_used")), "scalar");
    assert_true(json_integer_value(json_object_get(root, "threads")) >= 1);
    assert_true(json_is_array(json_object_get(root, "models")));
    assert_string_equal(json_string_value(json_object_get(root, "version")), attn_version());
    assert_string_equal(json_string_value(json_object_get(root, "ATTN_CPU")), "scalar");
    json_decref(root);
}

/* Of a model too, and what is wrong with one. */
static void tells_of_models_in_json(void **state)
{
    (void)state;
    assert_int_equal(shell("mkdir -p info.tmp/broken && echo '{' >info.tmp/broken/config.json && "
                           "ATTN_MODELS=info.tmp:$TESTS/../fixtures/vit $ATTN info --json; status=$?; rm -r info.tmp; "
                           "exit $status"),
                     0);
    json_error_t error;
    json_t *root = json_loads(shell_output, 0, &error), *models = json_object_get(root, "models");
    if (!root) fail_msg("%s: %s", error.text, shell_output);
    json_t *broken = json_array_get(models, 0), *sound = json_array_get(models, 1);
    assert_true(json_is_null(json_object_get(broken, "task")));
    assert_non_null(strstr(json_string_value(json_object_get(broken, "error")), "info.tmp/broken/config.json: "));
    assert_string_equal(json_string_value(json_object_get(sound, "architecture")), "ViTForImageClassification");
    assert_true(json_integer_value(json_object_get(sound, "parameters")) > 1000);
    assert_true(json_integer_value(json_object_get(sound, "encoder_layers")) >= 1);
    json_decref(root);
}

static void tells_what_caps_it(void **state)
{
    (void)state;
    assert_int_equal(shell("ATTN_CPU=scalar $ATTN info"), 0);
    shell_said("scalar used (ATTN_CPU=scalar)");
    assert_int_equal(shell("ATTN_CPU=mmx $ATTN info"), 0);
    shell_said("none used (ATTN_CPU=mmx, expected");
    assert_int_equal(shell("$ATTN info me"), 2);
}

/* Whatever CPUs there are: a number for OpenMP is heeded, and what is none is not. */
static void heeds_the_threads_that_openmp_is_told(void **state)
{
    (void)state;
    assert_int_equal(shell("export ATTN_MODELS=; OMP_NUM_THREADS=37 $ATTN info --json"), 0);
    shell_said("\"threads\": 37,");
    assert_int_equal(shell("export ATTN_MODELS=; OMP_NUM_THREADS=' 19 ,2' $ATTN info"), 0);
    shell_said("threads       19 (OMP_NUM_THREADS= 19 ,2)\n");
    assert_int_equal(
        shell("export ATTN_MODELS=; n=$(env -u OMP_NUM_THREADS $ATTN info --json | grep -o 'threads[^,]*'); "
              "for o in '' 0 -3 37x x 1025 99999999999999999999; do "
              "OMP_NUM_THREADS=$o $ATTN info --json 2>&1 | grep -Fc \"$n,\"; done"),
        0);
    shell_said_only("1\n1\n1\n1\n1\n1\n1\n");
    assert_int_equal(shell("ATTN_MODELS= OMP_NUM_THREADS=37x $ATTN info"), 0);
    shell_said(" (OMP_NUM_THREADS=37x, expected 1 to 1024)");
}

/* A directory that looks like a model but is none is listed, with what is wrong with it. */
static void names_the_models(void **state)
{
    (void)state;
    assert_int_equal(shell("mkdir -p info.tmp/broken && echo '{' >info.tmp/broken/config.json && "
                           "ATTN_MODELS=info.tmp $ATTN info; status=$?; rm -r info.tmp; exit $status"),
                     0);
    shell_said("info.tmp/broken/config.json: ");
    assert_int_equal(
        shell("mkdir -p info.tmp/other && echo '{\"model_type\": \"gpt2\"}' >info.tmp/other/config.json && "
              "ATTN_MODELS=info.tmp $ATTN info; status=$?; rm -r info.tmp; exit $status"),
        0);
    shell_said("other/config.json: model_type is \"gpt2\", expected one of marian");
    assert_int_equal(shell("ATTN_MODELS=" MODELS " $ATTN info"), 0);
    shell_said("/shared: translate (MarianMTModel), ");
    assert_int_equal(shell("n=$(ATTN_MODELS=" MODELS " $ATTN info --json | grep -o '/shared\"' | wc -l); "
                           "ln -s " MODELS " info.tmp && ATTN_MODELS=" MODELS ":" MODELS
                           "/:info.tmp $ATTN info --json | "
                           "grep -o '/shared\"' | wc -l; rm info.tmp; echo $n"),
                     0);
    shell_said_only("1\n1\n");
    assert_int_equal(shell("ATTN_MODELS=$TESTS/../fixtures/vit $ATTN info"), 0);
    shell_said(", 1 layer, ");
    shell_said(", 2 layers, ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_the_same_in_json), cmocka_unit_test(tells_of_models_in_json),
        cmocka_unit_test(tells_what_caps_it),     cmocka_unit_test(heeds_the_threads_that_openmp_is_told),
        cmocka_unit_test(names_the_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
