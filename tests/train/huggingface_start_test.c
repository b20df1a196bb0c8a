/* Fine-tuning from what transformers saved: Marian with one vocabulary and with two, BART, AST. What learns nothing
 * still computes what transformers did; what learns gets better. */
#include "training_run.h"

#include "examples_to_learn.h"

#include "base/status.h"

#include "../model/classifier_expectation.h"
#include "../model/expectation.h"

#define TOLERANCE 1e-4f

typedef attn_status trainer(const attn_seq_train_options *options);

/* Sounds of three pitches, labelled as the fixtures' heads are; a BART has no tokenizer of its own. */
static int write_all(void **state)
{
    if (create(state)) return -1;
    mkdir(scratch_path("sounds"), 0700);
    for (int i = 0; i < 24; i++) {
        char name[64];
        snprintf(name, sizeof name, "sounds/LABEL_%d", i % 3);
        mkdir(scratch_path(name), 0700);
        snprintf(name, sizeof name, "sounds/LABEL_%d/%02d.wav", i % 3, i);
        write_tone(name, 200 + 900 * (i % 3) + i, 2900 + i, 16000);
    }
    char command[1024];
    snprintf(command, sizeof command,
             "cp -r " FIXTURES "/bart/plain %s && cp " FIXTURES "/tokenizers/unigram/*.json %s", scratch_path("bart"),
             scratch_path("bart"));
    return system(command);
}

static attn_seq_train_options started(const char *from, watcher *w)
{
    attn_seq_train_options o = watched("tuned", w);
    o.train = o.valid = scratch_path("pairs.tsv");
    o.from = from;
    o.start = ATTN_SEQ_TRAIN_REPLACE;
    o.batch_tokens = 200;
    o.steps = 1;
    o.threads = 1;
    o.rate = 0;
    return o;
}

static void run(const attn_seq_train_options *o, trainer *train)
{
    if (train(o) != ATTN_OK) fail_msg("%s: %s", o->from, attn_seq_error());
}

static void learns(attn_seq_train_options o, trainer *train, const watcher *w)
{
    const double before = w->last.valid_loss;
    o.rate = 0.003;
    o.warmup = 1;
    o.steps = o.valid_every = 15;
    o.average = 0.5;
    run(&o, train);
    if (!(w->last.valid_loss < before)) fail_msg("%s: loss %g, before %g", o.from, w->last.valid_loss, before);
}

static void computes(const char *expected)
{
    translator *m;
    expectation e;
    float whole, steps;
    if (translator_open(&m, scratch_path("tuned"), false) != ATTN_OK) fail_msg("%s", status_message());
    if (expectation_read(&e, expected) != ATTN_OK) fail_msg("%s", status_message());
    assert_int_equal(expectation_compare_whole(&e, m, &whole), ATTN_OK);
    assert_int_equal(expectation_compare_steps(&e, m, &steps), ATTN_OK);
    if (!(whole <= TOLERANCE && steps <= TOLERANCE)) fail_msg("%s: off by %g, %g", expected, whole, steps);
    expectation_clear(&e);
    translator_destroy(m);
}

static void marian(void **state)
{
    (void)state;
    static const char *const models[][2] = {
        {FIXTURES "/marian/shared", FIXTURES "/marian/shared/expected.safetensors"},
        {FIXTURES "/marian/separate", FIXTURES "/marian/separate/expected.safetensors"},
    };
    for (int i = 0; i < 2; i++) {
        watcher w = {0};
        const attn_seq_train_options o = started(models[i][0], &w);
        run(&o, attn_seq_train_translator);
        computes(models[i][1]);
        learns(o, attn_seq_train_translator, &w);
    }
}

static void bart(void **state)
{
    (void)state;
    watcher w = {0};
    const attn_seq_train_options o = started(scratch_path("bart"), &w);
    run(&o, attn_seq_train_summarizer);
    computes(FIXTURES "/bart/plain/expected.safetensors");
    learns(o, attn_seq_train_summarizer, &w);
}

static void ast(void **state)
{
    (void)state;
    static const char *const models[][2] = {
        {FIXTURES "/ast/overlap", FIXTURES "/ast/overlap/expected.safetensors"},
        {FIXTURES "/ast/apart", FIXTURES "/ast/apart/expected.safetensors"},
    };
    for (int i = 0; i < 2; i++) {
        watcher w = {0};
        attn_seq_train_options o = started(models[i][0], &w);
        o.train = scratch_path("sounds");
        o.valid = NULL;
        o.batch_tokens = -1;
        o.batch = 8;
        run(&o, attn_seq_train_classifier);
        classifier *m;
        float largest;
        assert_int_equal(classifier_open(&m, o.model, false), ATTN_OK);
        if (classifier_compare(m, models[i][1], &largest) != ATTN_OK) fail_msg("%s", status_message());
        if (!(largest <= TOLERANCE)) fail_msg("%s: off by %g", o.from, (double)largest);
        classifier_destroy(m);
        learns(o, attn_seq_train_classifier, &w);
        assert_null(strstr(w.notices, "drawn anew"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marian),
        cmocka_unit_test(bart),
        cmocka_unit_test(ast),
    };
    return cmocka_run_group_tests(tests, write_all, scratch_remove);
}
