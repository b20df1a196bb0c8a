#define _GNU_SOURCE /* memfd_create */
#include "memory_file.h"

#include "model/recurrent_config.h"
#include "model/translator_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is accepted as a model's configuration passes the check that creating a model makes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    translator_config c;
    if (translator_config_read(&c, memory_file(data, size)) == ATTN_OK &&
        translator_config_check(&c, "config") != ATTN_OK)
        abort();
    recurrent_config r;
    if (recurrent_config_read(&r, memory_file(data, size)) == ATTN_OK &&
        recurrent_config_check(&r, "config") != ATTN_OK)
        abort();
    return 0;
}
