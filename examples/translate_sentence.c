/* Translates a sentence, and says which source word each word of the translation attended to most.
 *     cc translate_sentence.c $(pkg-config --cflags --libs attnseq) -o translate_sentence
 *     ./translate_sentence "Where is the station?" [MODEL] */
#include <attn/seq.h>
#include <stdio.h>
#include <string.h>

static int fail(void)
{
    fprintf(stderr, "%s\n", attn_seq_error());
    return 1;
}

static void print_alignment(const attn_seq_hypothesis *h)
{
    for (int64_t t = 0; t < h->target_words; t++) {
        const float *row = h->alignment + t * h->source_words;
        int64_t best = 0;
        for (int64_t s = 1; s < h->source_words; s++)
            if (row[s] > row[best]) best = s;
        printf("  word %lld attends to source word %lld (%.2f)\n", (long long)t + 1, (long long)best + 1, row[best]);
    }
}

int main(int argc, char **argv)
{
    const char *sentence = argc > 1 ? argv[1] : "Where is the station?";
    char *directory;
    if (attn_seq_model_find(argc > 2 ? argv[2] : NULL, ATTN_SEQ_TASK_TRANSLATE, &directory) != ATTN_OK) return fail();
    attn_seq_model *model;
    attn_status status = attn_seq_model_open(&model, directory);
    attn_seq_free(directory);
    if (status != ATTN_OK) return fail();

    attn_seq_translate_options options;
    attn_seq_translate_options_init(&options);
    options.alignment = true;
    attn_seq_text line = {sentence, strlen(sentence)};
    attn_seq_translation *translation;
    status = attn_seq_translate(model, &options, &line, 1, &translation);
    if (status == ATTN_OK && translation->status != ATTN_OK) fprintf(stderr, "%s\n", translation->message);
    if (status == ATTN_OK && translation->count > 0) {
        printf("%s\n", translation->hypotheses->text);
        print_alignment(translation->hypotheses);
    }
    if (status == ATTN_OK) attn_seq_translations_free(translation, 1);
    attn_seq_model_close(model);
    return status == ATTN_OK ? 0 : fail();
}
