#include <stdio.h>

int main(void)
{
    fputs("attn: no command yet\n", stderr);
    return 2;
}
