/* Classifies a text, or an image or a recording in a file, and says how probable each label is.
 *     cc classify_input.c $(pkg-config --cflags --libs attnseq) -o classify_input
 *     ./classify_input "A warm, funny, engaging film." [MODEL] */
#include <attn/seq.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    const char *given = argc > 1 ? argv[1] : "A warm, funny, engaging film.", *name = argc > 2 ? argv[2] : NULL;
    attn_seq_input text = {.kind = ATTN_SEQ_INPUT_TEXT, .text = {given, strlen(given)}}, *read = NULL, *input = &text;
    int64_t count = 1;
    attn_seq_input_kind kind = ATTN_SEQ_INPUT_TEXT; /* also of what names no file */
    attn_status file = attn_seq_file_kind(given, &kind);
    if (file == ATTN_OK && kind != ATTN_SEQ_INPUT_TEXT) file = attn_seq_inputs_read(given, &read, &count);
    if ((file && file != ATTN_ERROR_FILE) || count == 0) {
        fprintf(stderr, "%s\n", file ? attn_seq_error() : "no images in the file");
        return 1;
    }
    if (read) input = read;

    char *directory = NULL;
    attn_seq_model *model = NULL;
    attn_seq_description is = {.struct_size = sizeof is};
    attn_seq_classify_options options;
    attn_seq_classification *c = NULL;
    attn_seq_classify_options_init(&options);
    attn_seq_task task = (attn_seq_task)(ATTN_SEQ_TASK_CLASSIFY_TEXT + input->kind);
    int failed = attn_seq_model_find(name, task, &directory) || attn_seq_model_open(&model, directory) ||
                 attn_seq_model_describe(model, &is) || attn_seq_classify(model, &options, input, 1, &c);
    if (failed) fprintf(stderr, "%s\n", attn_seq_error());
    for (int64_t i = 0; !failed && c->label >= 0 && i < is.label_count; i++)
        printf("%c %s %.4f\n", i == c->label ? '*' : ' ', is.labels[i], (double)c->probabilities[i]);

    attn_seq_classifications_free(c, 1);
    attn_seq_model_close(model);
    attn_seq_free(directory);
    attn_seq_inputs_free(read);
    return failed;
}
