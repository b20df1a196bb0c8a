#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local char message[1024];

attn_status status_fail(attn_status status, const char *format, ...)
{
    char text[sizeof message]; /* the arguments may quote the old message */
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    snprintf(message, sizeof message, "%s", text);
    return status;
}

const char *status_message(void)
{
    return message;
}
