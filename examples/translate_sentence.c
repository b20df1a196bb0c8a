/* Translates a sentence, and says which source word each word of the translation attended to most.
 *     cc translate_sentence.c $(pkg-config --cflags --libs attnseq) -o translate_sentence
 *     ./translate_sentence "Where is the station?" [MODEL] */
#include <attn/seq.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    const char *sentence = argc > 1 ? argv[1] : "Where is the station?";
    const attn_seq_text line = {sentence, strlen(sentence)};
    char *directory = NULL;
    attn_seq_model *model = NULL;
    attn_seq_translation *t = NULL;
    attn_seq_translate_options options;
    attn_seq_translate_options_init(&options);
    options.alignment = true;
    int failed = attn_seq_model_find(argc > 2 ? argv[2] : NULL, ATTN_SEQ_TASK_TRANSLATE, &directory) ||
                 attn_seq_model_open(&model, directory) || attn_seq_translate(model, &options, &line, 1, &t);
    if (failed || t->status) fprintf(stderr, "%s\n", failed ? attn_seq_error() : t->message);

    const attn_seq_hypothesis *best = !failed && t->count > 0 ? t->hypotheses : NULL;
    if (best) printf("%s\n", best->text);
    for (int64_t word = 0; best && word < best->target_words; word++) {
        const float *row = best->alignment + word * best->source_words;
        int64_t most = 0;
        for (int64_t s = 1; s < best->source_words; s++)
            if (row[s] > row[most]) most = s;
        printf("  word %lld attends to source word %lld (%.2f)\n", (long long)word + 1, (long long)most + 1, row[most]);
    }

    attn_seq_translations_free(t, 1);
    attn_seq_model_close(model);
    attn_seq_free(directory);
    return failed || !best;
}
