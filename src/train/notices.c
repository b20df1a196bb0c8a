#include "train/notices.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>

void notice_tell(notice_sink n, const char *format, ...)
{
    char message[512];
    va_list args;
    va_start(args, format);
    const int length = vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (length >= (int)sizeof message) message[utf8_shown(message, sizeof message - 2)] = '\0';
    n.tell(n.argument, message);
}
