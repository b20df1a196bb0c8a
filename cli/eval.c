#include "commands.h"
#include "eval_labels.h"
#include "eval_outputs.h"
#include "eval_pairs.h"
#include "failure.h"
#include "json.h"
#include "message.h"
#include "opened_model.h"
#include "options.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct evaluation {
    const char *model_name, *file, *labels_file, *outputs_file;
    bool json;
    attn_seq_model *model;
    bool summarizes;
    attn_seq_translate_options options;
    eval_pairs pairs;
    attn_seq_translation *translations;
    attn_seq_corpus_scores scores;
    double seconds, perplexity;
    int64_t pieces_out, pieces_scored; /* of the translations, of the references */
    int64_t too_long;                  /* references without perplexity: the model has no positions for them */
} evaluation;

/* The one that was given of those that are for writing texts; NULL: none. */
static const char *decoding_option_of(const evaluation *e)
{
    return e->options.beam > 0 ? "beam-size" : !isnan(e->options.normalize) ? "normalize" : NULL;
}

/* The one that was given of those that running no model has no use for; NULL: none. */
static const char *model_option_of(const evaluation *e)
{
    return e->model_name ? "model" : e->labels_file ? "labels" : decoding_option_of(e);
}

static int parse(evaluation *e, int argc, char **argv)
{
    int64_t threads = 0;
    const option table[] = {
        option_string('m', "model", "DIR", &e->model_name,
                      "the model: a directory, or the name of an installed one (default: the first translator)"),
        option_string(0, "outputs", "FILE", &e->outputs_file,
                      "run no model, but score these lines, one for each line of the test set"),
        option_string(0, "labels", "FILE", &e->labels_file, "labels of an IDX file (default: beside it)"),
        option_int('b', "beam-size", "N", &e->options.beam, 1, 256,
                   "hypotheses kept at each step; 1 is greedy (default: what the model says)"),
        option_float(0, "normalize", "A", &e->options.normalize, -10, 10,
                     "rank by log-probability / length^A; 0 favours what is short (default: what the model says)"),
        option_flag(0, "json", &e->json, "print one JSON object"),
        option_int(0, "threads", "N", &threads, 0, 1024, "0: as many as attn info says"),
    };
    const command_line line = {
        .command = "eval",
        .operands = "FILE",
        .least_operands = 1,
        .most_operands = 1,
        .summary = "Runs a model on a test set and scores what it says.",
        .details = "With a translator or a summarizer, FILE holds lines of SOURCE TAB TARGET. A source that\n"
                   "stands on several lines has as many references. A translator's BLEU and chrF are\n"
                   "sacreBLEU's, with its signatures; a summarizer's ROUGE is rouge_score's without a\n"
                   "stemmer. Perplexity is that of the targets, by piece, </s> counted.\n"
                   "\n"
                   "With a classifier, FILE is anything that attn train classify learns from: lines of\n"
                   "LABEL TAB TEXT, a folder of images or recordings by label, a list of them, an IDX file.\n"
                   "Told are accuracy, macro-F1 (the mean over the labels, each counting the same), the mean\n"
                   "of -log p, and how often each label was taken for each.",
        .examples = "attn eval -m my-model test.tsv\n"
                    "attn eval -m mnist t10k-images-idx3-ubyte.gz\n"
                    "cut -f 1 test.tsv | attn eval --outputs - test.tsv",
        .options = table,
        .option_count = sizeof table / sizeof *table,
    };
    char **files;
    int count;
    int stop = options_parse(&line, argc, argv, &files, &count);
    if (stop >= 0) return stop;
    e->file = files[0];
    const char *useless = e->outputs_file ? model_option_of(e) : NULL;
    if (useless) return options_refuse(&line, "--%s: --outputs runs no model, which this is for", useless);
    if (e->outputs_file && !strcmp(e->outputs_file, "-") && !strcmp(e->file, "-"))
        return options_refuse(&line, "--outputs: \"-\", which FILE is too: one of them comes by standard input");
    e->options.threads = (int)threads;
    return -1;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int open_model(evaluation *e, attn_seq_description *d)
{
    const attn_seq_task task = e->model_name ? ATTN_SEQ_TASK_ANY : ATTN_SEQ_TASK_TRANSLATE;
    return opened_model_found("eval", e->model_name, task, &e->model, d);
}

/* The line on which a source stands first: every line holds a pair. */
static int64_t line_of(const eval_pairs *p, const eval_source *source)
{
    int64_t i = 0;
    while (p->pairs[i].source.bytes != source->text) i++;
    return i + 1;
}

static int translate(evaluation *e)
{
    int64_t count = e->pairs.source_count;
    attn_seq_text *texts = calloc((size_t)count, sizeof *texts);
    if (!texts) return failure("eval", "no memory for %" PRId64 " sources", count);
    for (int64_t i = 0; i < count; i++)
        texts[i] = (attn_seq_text){e->pairs.sources[i].text, strlen(e->pairs.sources[i].text)};
    double start = now();
    attn_status status = (e->summarizes ? attn_seq_summarize : attn_seq_translate)(e->model, &e->options, texts, count,
                                                                                   &e->translations);
    e->seconds = now() - start;
    free(texts);
    if (status) return failure_of_library("eval");
    for (int64_t i = 0; i < count; i++) {
        if (e->translations[i].status)
            return failure("eval", "%s:%" PRId64 ": source: %s", e->file, line_of(&e->pairs, &e->pairs.sources[i]),
                           e->translations[i].message);
        e->pieces_out += e->translations[i].hypotheses[0].target_length;
    }
    return 0;
}

static int score_translations(evaluation *e)
{
    int64_t count = e->pairs.source_count;
    attn_seq_segment *segments = calloc((size_t)count, sizeof *segments);
    if (!segments) return failure("eval", "no memory for %" PRId64 " segments", count);
    for (int64_t i = 0; i < count; i++) {
        const eval_source *s = &e->pairs.sources[i];
        segments[i] = (attn_seq_segment){e->translations[i].hypotheses[0].text, s->references, s->reference_count};
    }
    e->scores.struct_size = sizeof e->scores;
    attn_status status = attn_seq_corpus_score(segments, count, &e->scores);
    free(segments);
    return status ? failure_of_library("eval") : 0;
}

static int score_references(evaluation *e)
{
    int64_t count = e->pairs.count;
    attn_seq_pair_score *scores = calloc((size_t)count, sizeof *scores);
    if (!scores) return failure("eval", "no memory for %" PRId64 " pairs", count);
    int failed =
        attn_seq_score(e->model, e->pairs.pairs, count, e->options.threads, scores) ? failure_of_library("eval") : 0;
    double sum = 0;
    for (int64_t i = 0; i < count && !failed; i++) {
        if (scores[i].status == ATTN_ERROR_UNSUPPORTED) {
            e->too_long++;
            continue;
        }
        if (scores[i].status) failed = failure("eval", "%s:%" PRId64 ": %s", e->file, i + 1, scores[i].message);
        sum += scores[i].log_probability;
        e->pieces_scored += scores[i].tokens;
    }
    e->perplexity = e->pieces_scored ? exp(-sum / (double)e->pieces_scored) : NAN; /* whose sign 0 / 0 leaves open */
    free(scores);
    return failed;
}

static void print_text(const evaluation *e)
{
    int64_t sources = e->pairs.source_count;
    if (e->summarizes)
        printf("%s\n", e->scores.rouge_line);
    else
        printf("%s\n%s\n", e->scores.bleu_line, e->scores.chrf_line);
    const int64_t references = e->pairs.count - e->too_long;
    printf("perplexity %.4f (%" PRId64 " piece%s of %" PRId64 " reference%s", e->perplexity, e->pieces_scored,
           plural(e->pieces_scored), references, plural(references));
    if (e->too_long)
        printf("; %" PRId64 " %s longer than the model takes", e->too_long, e->too_long == 1 ? "is" : "are");
    puts(")");
    printf("speed %.1f sentences/s, %.1f tokens/s (%" PRId64 " sentence%s in %.2f s, beam %" PRId64 ")\n",
           (double)sources / e->seconds, (double)e->pieces_out / e->seconds, sources, plural(sources), e->seconds,
           e->options.beam);
}

static void print_field(const char *name, double value)
{
    printf(",\n  \"%s\": ", name);
    json_number(stdout, value);
}

static void print_scores_of_summaries(const evaluation *e)
{
    printf("{\n  \"rouge_1\": ");
    json_number(stdout, e->scores.rouge_1);
    print_field("rouge_2", e->scores.rouge_2);
    print_field("rouge_l", e->scores.rouge_l);
    printf(",\n  \"rouge_signature\": ");
    json_string(stdout, e->scores.rouge_signature);
}

static void print_scores_of_translations(const evaluation *e)
{
    printf("{\n  \"bleu\": ");
    json_number(stdout, e->scores.bleu);
    printf(",\n  \"bleu_signature\": ");
    json_string(stdout, e->scores.bleu_signature);
    print_field("chrf", e->scores.chrf);
    printf(",\n  \"chrf_signature\": ");
    json_string(stdout, e->scores.chrf_signature);
}

static void print_json(const evaluation *e)
{
    (e->summarizes ? print_scores_of_summaries : print_scores_of_translations)(e);
    print_field("perplexity", e->perplexity);
    printf(",\n  \"references_too_long\": %" PRId64, e->too_long);
    printf(",\n  \"sources\": %" PRId64 ",\n  \"references\": %" PRId64 ",\n  \"beam\": %" PRId64,
           e->pairs.source_count, e->pairs.count, e->options.beam);
    print_field("normalize", e->options.normalize);
    print_field("seconds", e->seconds);
    print_field("sentences_per_second", (double)e->pairs.source_count / e->seconds);
    print_field("tokens_per_second", (double)e->pieces_out / e->seconds);
    printf("\n}\n");
}

static int evaluate(evaluation *e)
{
    attn_seq_description d;
    if (e->outputs_file) return eval_outputs(e->outputs_file, e->file, e->json);
    if (open_model(e, &d)) return 1;
    const bool classifies = d.task >= ATTN_SEQ_TASK_CLASSIFY_TEXT;
    const char *useless = classifies ? decoding_option_of(e) : e->labels_file ? "labels" : NULL;
    if (useless) {
        failure("eval", "--%s is for models that %s; %s does not", useless, classifies ? "write" : "classify",
                d.directory);
        return 2;
    }
    if (classifies) return eval_labels(e->model, e->file, e->labels_file, e->options.threads, e->json);
    e->summarizes = d.task == ATTN_SEQ_TASK_SUMMARIZE;
    if (e->options.beam == 0) e->options.beam = d.beam;
    if (isnan(e->options.normalize)) e->options.normalize = d.normalize;
    if (eval_pairs_read(&e->pairs, e->file) || translate(e) || score_translations(e) || score_references(e)) return 1;
    if (e->json)
        print_json(e);
    else
        print_text(e);
    return 0;
}

int command_eval(int argc, char **argv)
{
    evaluation e = {0};
    attn_seq_translate_options_init(&e.options);
    int status = parse(&e, argc, argv);
    if (status < 0) status = evaluate(&e);
    attn_seq_translations_free(e.translations, e.pairs.source_count);
    eval_pairs_clear(&e.pairs);
    attn_seq_model_close(e.model);
    return status;
}
