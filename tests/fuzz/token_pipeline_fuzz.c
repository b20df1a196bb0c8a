#include "input/token_pipeline.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever opens gives texts ids that it has, and text for these. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const texts[] = {
        "The cat's 2 keys,\ttwo  moons! </s>[CLS] <mask>",
        "\xc3\xa9\x65\xcc\x81 \xe4\xb8\xad\xe6\x96\x87 \xf0\x9f\x98\x80\xc2\xa0\xe2\x96\x81x", "", " "};
    token_pipeline *p;
    if (token_pipeline_parse(&p, (const char *)data, size, "tokenizer.json") != ATTN_OK) return 0;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        id_list ids = {0};
        char *text;
        if (token_pipeline_encode(p, texts[i], strlen(texts[i]), &ids) == ATTN_OK) {
            for (int64_t n = 0; n < ids.count; n++) {
                if (ids.ids[n] < 0 || ids.ids[n] >= token_pipeline_size(p)) abort();
            }
            if (token_pipeline_decode(p, ids.ids, ids.count, &text) == ATTN_OK) free(text);
        }
        free(ids.ids);
    }
    token_pipeline_destroy(p);
    return 0;
}
