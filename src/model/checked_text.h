/* Whether a caller's text is one: UTF-8 without NUL bytes, as what models learn from is. */
#ifndef MODEL_CHECKED_TEXT_H
#define MODEL_CHECKED_TEXT_H

#include "attn/attn.h"

#include <stddef.h>

/* ATTN_OK, or ATTN_ERROR_FORMAT with a message that says what is wrong and where. */
attn_status checked_text(const char *text, size_t bytes);

#endif
