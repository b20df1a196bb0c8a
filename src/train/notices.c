#include "train/notices.h"

#include <stdarg.h>
#include <stdio.h>

void notice_tell(notice_sink n, const char *format, ...)
{
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    n.tell(n.argument, message);
}
