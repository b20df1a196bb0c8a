/* Runs a model on the ids in a file and says how far its logits are from those in the file.
 * usage: same_logits MODEL EXPECTED.safetensors
 * Exit status: 0 when no encoder state and no logit is off by more than 1e-4, 1 otherwise, 2 wrong usage. */
#include "expectation.h"

#include "base/status.h"

#include <stdio.h>

#define TOLERANCE 1e-4f

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s MODEL EXPECTED.safetensors\n", argv[0]);
        return 2;
    }
    translator *m = NULL;
    expectation e = {0};
    float whole = 0, steps = 0;
    attn_status status = translator_open(&m, argv[1], false);
    if (status == ATTN_OK) status = expectation_read(&e, argv[2]);
    if (status == ATTN_OK) status = expectation_compare_whole(&e, m, &whole);
    if (status == ATTN_OK) status = expectation_compare_steps(&e, m, &steps);
    if (status == ATTN_OK)
        printf("largest difference %.2g at once, %.2g step by step\n", (double)whole, (double)steps);
    else
        fprintf(stderr, "%s\n", status_message());
    expectation_clear(&e);
    translator_destroy(m);
    return status != ATTN_OK || !(whole <= TOLERANCE) || !(steps <= TOLERANCE);
}
