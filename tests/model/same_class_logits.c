/* Runs a classifier on the input in a file and says how far its logits are from those in the file.
 * usage: same_class_logits MODEL EXPECTED.safetensors
 * Exit status: 0 when nothing is off by more than 1e-4, 1 otherwise, 2 wrong usage. */
#include "classifier_expectation.h"

#include "base/status.h"

#include <stdio.h>

#define TOLERANCE 1e-4f

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s MODEL EXPECTED.safetensors\n", argv[0]);
        return 2;
    }
    classifier *m = NULL;
    float largest = 0;
    attn_status status = classifier_open(&m, argv[1], false);
    if (status == ATTN_OK) status = classifier_compare(m, argv[2], &largest);
    if (status == ATTN_OK)
        printf("largest difference %.2g\n", (double)largest);
    else
        fprintf(stderr, "%s\n", status_message());
    classifier_destroy(m);
    return status != ATTN_OK || !(largest <= TOLERANCE);
}
