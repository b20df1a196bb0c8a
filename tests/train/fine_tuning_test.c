/* Runs that begin with another model: translators, recurrent or not, summarizers, classifiers of texts. */
#include "training_run.h"

#include <math.h>

/* LABEL TAB TEXT: which of two words stands first; `third` more lines have a label of their own. */
static void write_texts(const char *name, const char *first, const char *second, int third)
{
    static const char *const words[] = {"fine", "great", "lovely", "poor", "dull", "awful"};
    FILE *f = fopen(scratch_path(name), "w");
    for (int i = 0; i < 60; i++) fprintf(f, "%s\ta %s film\n", i % 6 < 3 ? first : second, words[i % 6]);
    for (int i = 0; i < third; i++) fprintf(f, "other\tno film\n");
    fclose(f);
}

static int write_all(void **state)
{
    if (create(state)) return -1;
    write_texts("texts.tsv", "good", "bad", 0);
    write_texts("three.tsv", "good", "bad", 20);
    return 0;
}

static attn_seq_train_options tiny_classifier(const char *model, const char *texts, watcher *w)
{
    attn_seq_train_options o = tiny(model, w);
    o.train = scratch_path(texts);
    o.valid = NULL;
    o.folds = 5;
    o.batch_tokens = -1;
    o.batch = 16;
    o.average = 0.9;
    o.patience = 0;
    o.vocabulary = 40;
    return o;
}

/* The same training from the model of another directory, whose sizes it takes. */
static attn_seq_train_options started(attn_seq_train_options o, const char *model, const char *from)
{
    o.model = scratch_path(model);
    o.from = scratch_path(from);
    o.vocabulary = o.width = o.heads = o.layers = o.ffn = o.arch = o.attention = o.embedding = o.feeding = -1;
    return o;
}

typedef attn_status trainer(const attn_seq_train_options *options);

static double first_loss(attn_seq_train_options o, trainer *train, watcher *w)
{
    o.steps = 1;
    o.start = ATTN_SEQ_TRAIN_REPLACE;
    w->notices[0] = '\0';
    if (train(&o) != ATTN_OK) fail_msg("%s", attn_seq_error());
    return w->last.loss;
}

/* Stopped twice and resumed by the directory's name alone, after the model that it began with was lost. */
static void resumes(attn_seq_train_options o, trainer *train, watcher *w)
{
    o.steps = 12;
    o.start = ATTN_SEQ_TRAIN_REPLACE;
    o.model = scratch_path("unbroken");
    assert_int_equal(train(&o), ATTN_OK);
    o.model = scratch_path("broken");
    w->stop_at = 3;
    assert_int_equal(train(&o), ATTN_ERROR_INTERRUPTED);
    char gone[300];
    snprintf(gone, sizeof gone, "%s-gone", o.from);
    assert_int_equal(rename(o.from, gone), 0);
    w->stop_at = 10;
    attn_seq_train_options again = resumed("broken", w);
    if (train(&again) != ATTN_ERROR_INTERRUPTED) fail_msg("%s", attn_seq_error());
    w->stop_at = 0;
    again = resumed("broken", w);
    if (train(&again) != ATTN_OK) fail_msg("%s", attn_seq_error());
    assert_int_equal(rename(gone, o.from), 0);
    assert_same_state(scratch_path("unbroken/checkpoint.safetensors"), scratch_path("broken/checkpoint.safetensors"));
    assert_same_file(scratch_path("unbroken/model.safetensors"), scratch_path("broken/model.safetensors"));
    assert_same_file(scratch_path("unbroken/config.json"), scratch_path("broken/config.json"));
}

static void begins_lower(attn_seq_train_options o, trainer *train, watcher *w)
{
    o.steps = 60;
    o.average = 0.9;
    o.dropout = 0.05;
    o.start = ATTN_SEQ_TRAIN_REPLACE;
    if (train(&o) != ATTN_OK) fail_msg("%s", attn_seq_error());
    char taught[256];
    snprintf(taught, sizeof taught, "%s", o.model);
    const attn_seq_train_options next = started(o, "next", strrchr(taught, '/') + 1);
    const double from_nothing = first_loss(o = (o.model = scratch_path("nothing"), o), train, w);
    const double from_model = first_loss(next, train, w);
    if (!(from_model < 0.8 * from_nothing)) fail_msg("loss %g, from nothing %g", from_model, from_nothing);
    assert_null(strstr(w->notices, "drawn anew"));
    resumes(next, train, w);
}

static void translators(void **state)
{
    (void)state;
    watcher w = {0};
    begins_lower(tiny("translator", &w), attn_seq_train_translator, &w);
    attn_seq_train_options o = tiny("lstm", &w);
    o.heads = o.ffn = -1;
    o.arch = ATTN_SEQ_ARCH_LSTM;
    o.embedding = 20;
    begins_lower(o, attn_seq_train_translator, &w);
}

static void summarizers(void **state)
{
    (void)state;
    watcher w = {0};
    begins_lower(tiny("summarizer", &w), attn_seq_train_summarizer, &w);
}

static void classifiers(void **state)
{
    (void)state;
    watcher w = {0};
    begins_lower(tiny_classifier("bert", "texts.tsv", &w), attn_seq_train_classifier, &w);
    attn_seq_train_options o = tiny_classifier("gru", "texts.tsv", &w);
    o.heads = o.ffn = -1;
    o.arch = ATTN_SEQ_ARCH_GRU;
    begins_lower(o, attn_seq_train_classifier, &w);
}

static void other_labels_have_a_head_of_their_own(void **state)
{
    (void)state;
    watcher w = {0};
    attn_seq_train_options o = started(tiny_classifier("three", "three.tsv", &w), "three", "bert");
    first_loss(o, attn_seq_train_classifier, &w);
    assert_non_null(strstr(w.notices, "drawn anew, for want of them or for other labels: classifier.weight, "));
    resumes(o, attn_seq_train_classifier, &w);
    attn_seq_model *model;
    attn_seq_description d = {.struct_size = sizeof d};
    assert_int_equal(attn_seq_model_open(&model, scratch_path("broken")), ATTN_OK);
    assert_int_equal(attn_seq_model_describe(model, &d), ATTN_OK);
    assert_int_equal(d.label_count, 3);
    attn_seq_model_close(model);
}

static void refused_by(trainer *train, const attn_seq_train_options *o, attn_status status, const char *words)
{
    const attn_status s = train(o);
    if (!strstr(attn_seq_error(), words)) fail_msg("\"%s\" does not say \"%s\"", attn_seq_error(), words);
    assert_int_equal(s, status);
    assert_int_not_equal(access(scratch_path("never"), F_OK), 0);
}

static void what_does_not_fit_is_named(void **state)
{
    (void)state;
    watcher w = {0};
    attn_seq_train_options o = started(tiny("never", &w), "never", "translator");
    o.width = 64;
    refused_by(attn_seq_train_translator, &o, ATTN_ERROR_ARGUMENT, "width = 64, but the model of ");
    o.width = 32;
    o.arch = ATTN_SEQ_ARCH_LSTM;
    refused_by(attn_seq_train_translator, &o, ATTN_ERROR_ARGUMENT, "arch = 1, but the model of ");
    o.arch = -1;
    o.longest = 4000;
    refused_by(attn_seq_train_translator, &o, ATTN_ERROR_ARGUMENT, "longest = 4000, but the model of ");
    o.longest = -1;
    refused_by(attn_seq_train_summarizer, &o, ATTN_ERROR_UNSUPPORTED, "translator: a model that translates");
    o.from = scratch_path("bert");
    refused_by(attn_seq_train_translator, &o, ATTN_ERROR_UNSUPPORTED, "bert: a model that classifies");
    o.from = scratch_path("absent");
    refused_by(attn_seq_train_translator, &o, ATTN_ERROR_FILE, "absent: cannot open");

    attn_seq_train_options c = started(tiny_classifier("never", "texts.tsv", &w), "never", "bert");
    c.layers = 2;
    refused_by(attn_seq_train_classifier, &c, ATTN_ERROR_ARGUMENT, "layers = 2, but the model of ");
    c.layers = -1;
    c.task = ATTN_SEQ_TASK_CLASSIFY_IMAGE;
    refused_by(attn_seq_train_classifier, &c, ATTN_ERROR_ARGUMENT, "a model of texts, but the examples are images");
    c.task = -1;
    c.from = scratch_path("translator");
    refused_by(attn_seq_train_classifier, &c, ATTN_ERROR_UNSUPPORTED, "translator/config.json: architectures is");
}

static void a_model_is_not_written_over(void **state)
{
    (void)state;
    watcher w = {0};
    attn_seq_train_options o = started(tiny("translator", &w), "translator", "translator");
    o.start = ATTN_SEQ_TRAIN_REPLACE;
    refused_by(attn_seq_train_translator, &o, ATTN_ERROR_ARGUMENT, "which is the directory that receives the model");
    o.model = scratch_path("translator/new/../../translator"); /* no such path yet */
    refused_by(attn_seq_train_translator, &o, ATTN_ERROR_ARGUMENT, "which is the directory that receives the model");
    assert_int_equal(rmdir(scratch_path("translator/new")), 0);
    assert_int_equal(access(scratch_path("translator/model.safetensors"), F_OK), 0);
}

static void move(const char *from, const char *to)
{
    char old[256];
    snprintf(old, sizeof old, "%s", scratch_path(from));
    assert_int_equal(rename(old, scratch_path(to)), 0);
}

/* Nothing is written, and nothing lost, for the sake of a directory that lacks a file. */
static void a_file_that_lacks_is_looked_for_where_the_run_begins(void **state)
{
    (void)state;
    watcher w = {0};
    move("translator/source.spm", "aside");
    attn_seq_train_options o = started(tiny("never", &w), "never", "translator");
    refused_by(attn_seq_train_translator, &o, ATTN_ERROR_FILE, "translator: no tokenizer");
    move("aside", "translator/source.spm");
    move("translator/model.safetensors", "aside");
    o = started(tiny("never", &w), "never", "translator");
    refused_by(attn_seq_train_translator, &o, ATTN_ERROR_FILE, "translator/model.safetensors: cannot read");
    o = started(tiny("lstm", &w), "lstm", "translator");
    o.start = ATTN_SEQ_TRAIN_REPLACE;
    refused_by(attn_seq_train_translator, &o, ATTN_ERROR_FILE, "translator/model.safetensors: cannot read");
    assert_int_equal(access(scratch_path("lstm/model.safetensors"), F_OK), 0);
    move("aside", "translator/model.safetensors");

    move("bert/tokenizer.json", "aside");
    attn_seq_train_options c = started(tiny_classifier("never", "texts.tsv", &w), "never", "bert");
    refused_by(attn_seq_train_classifier, &c, ATTN_ERROR_FILE, "bert: no tokenizer");
    move("aside", "bert/tokenizer.json");
}

static const char harm[] = "no step made the model better than it was when the run began";

/* Of a model that the rate spoils, stopped and resumed: what is saved is what it was. */
static void only_harmed(attn_seq_train_options o, trainer *train, watcher *w)
{
    o.rate = 1;
    o.warmup = 1;
    o.steps = 12;
    o.valid_every = 5;
    o.start = ATTN_SEQ_TRAIN_REPLACE;
    w->stop_at = 7;
    w->validations = 0;
    w->notices[0] = '\0';
    assert_int_equal(train(&o), ATTN_ERROR_INTERRUPTED);
    assert_int_equal(w->validations, 2);
    assert_null(strstr(w->notices, harm));
    w->stop_at = 0;
    attn_seq_train_options again = resumed(strrchr(o.model, '/') + 1, w);
    if (train(&again) != ATTN_OK) fail_msg("%s", attn_seq_error());
    assert_int_equal(w->validations, 4);
    assert_false(w->last.best);
    if (!strstr(w->notices, harm)) fail_msg("nothing of harm in \"%s\"", w->notices);
    char weights[300], from[300];
    snprintf(weights, sizeof weights, "%s/model.safetensors", o.model);
    snprintf(from, sizeof from, "%s/model.safetensors", o.from);
    assert_same_file(weights, from);
}

static void what_only_did_harm_is_said_and_not_saved(void **state)
{
    (void)state;
    watcher w = {0};
    only_harmed(started(tiny("harmed", &w), "harmed", "translator"), attn_seq_train_translator, &w);
    only_harmed(started(tiny_classifier("harmed", "texts.tsv", &w), "harmed", "bert"), attn_seq_train_classifier, &w);
}

/* Asked to stop while the start is validated: it is when the run goes on. */
static void the_start_is_validated_once(void **state)
{
    (void)state;
    watcher w = {0};
    attn_seq_train_options little = tiny_classifier("little", "texts.tsv", &w);
    little.steps = 1;
    if (attn_seq_train_classifier(&little) != ATTN_OK) fail_msg("%s", attn_seq_error());
    attn_seq_train_options o = started(tiny_classifier("helped", "texts.tsv", &w), "helped", "little");
    w = (watcher){.stop_at = -1};
    o.steps = 60;
    o.valid_every = 60;
    assert_int_equal(attn_seq_train_classifier(&o), ATTN_ERROR_INTERRUPTED);
    assert_int_equal(w.last.step, 0);
    assert_int_equal(w.validations, 0);
    w.stop_at = 0;
    o = resumed("helped", &w);
    if (attn_seq_train_classifier(&o) != ATTN_OK) fail_msg("%s", attn_seq_error());
    assert_int_equal(w.validations, 2);
    assert_null(strstr(w.notices, harm));
    assert_true(w.last.step == 60 && w.last.best);
}

/* A few lines of one's own are a few dozen steps. */
static void the_rate_is_soon_at_its_peak(void **state)
{
    (void)state;
    for (int classifies = 0; classifies < 2; classifies++) {
        watcher w = {.stop_at = 25};
        attn_seq_train_options o = classifies ? started(tiny_classifier("soon", "texts.tsv", &w), "soon", "bert")
                                              : started(tiny("soon", &w), "soon", "translator");
        o.start = ATTN_SEQ_TRAIN_REPLACE;
        o.rate = NAN;
        o.warmup = -1;
        o.steps = 100;
        const attn_status s = classifies ? attn_seq_train_classifier(&o) : attn_seq_train_translator(&o);
        assert_int_equal(s, ATTN_ERROR_INTERRUPTED);
        assert_float_equal(w.last.rate, 5e-5, 1e-10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(translators),
        cmocka_unit_test(summarizers),
        cmocka_unit_test(classifiers),
        cmocka_unit_test(other_labels_have_a_head_of_their_own),
        cmocka_unit_test(what_does_not_fit_is_named),
        cmocka_unit_test(a_model_is_not_written_over),
        cmocka_unit_test(a_file_that_lacks_is_looked_for_where_the_run_begins),
        cmocka_unit_test(the_rate_is_soon_at_its_peak),
        cmocka_unit_test(what_only_did_harm_is_said_and_not_saved),
        cmocka_unit_test(the_start_is_validated_once),
    };
    return cmocka_run_group_tests(tests, write_all, scratch_remove);
}
