/* Learns to tell labels from examples: lines of LABEL TAB TEXT, a folder of images or recordings by label, or IDX
 * files. What is learnt is left in a directory that `classify_input` and `attn classify -m` open.
 *     cc learn_labels.c $(pkg-config --cflags --libs attnseq) -o learn_labels
 *     ./learn_labels reviews.tsv my-model */
#include <attn/seq.h>
#include <stdio.h>

static void tell(void *argument, const attn_seq_train_progress *progress)
{
    (void)argument;
    if (progress->event == ATTN_SEQ_TRAIN_NOTICE) printf("%s\n", progress->message);
    if (progress->event == ATTN_SEQ_TRAIN_SAVED)
        printf("step %lld, loss %.3f\n", (long long)progress->step, progress->loss);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s EXAMPLES MODEL\n", argv[0]);
        return 2;
    }
    attn_seq_train_options options;
    attn_seq_train_options_init(&options);
    options.train = argv[1];
    options.model = argv[2];
    options.start = ATTN_SEQ_TRAIN_REPLACE;
    options.epochs = 10;
    options.progress = tell;
    if (attn_seq_train_classifier(&options) == ATTN_OK) return 0;
    fprintf(stderr, "%s\n", attn_seq_error());
    return 1;
}
