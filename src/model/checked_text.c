#include "model/checked_text.h"

#include "base/plural.h"
#include "base/status.h"
#include "base/utf8.h"

#include <string.h>

attn_status checked_text(const char *text, size_t bytes)
{
    if (bytes == 0) return ATTN_OK;
    if (!text)
        return status_fail(ATTN_ERROR_FORMAT, "a text of %zu byte%s at NULL, expected bytes", bytes,
                           plural((int64_t)bytes));
    const size_t valid = utf8_valid_prefix(text, bytes);
    if (valid < bytes)
        return status_fail(ATTN_ERROR_FORMAT, "invalid UTF-8: byte 0x%02x at column %zu", (unsigned char)text[valid],
                           valid + 1);
    const char *end = memchr(text, 0, bytes); /* UTF-16, or a list that NUL bytes end */
    if (end) return status_fail(ATTN_ERROR_FORMAT, "a NUL byte at column %zu, expected text", (size_t)(end - text) + 1);
    return ATTN_OK;
}
