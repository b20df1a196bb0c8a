/* What this library says about itself and its CPU. */
#include "attn/attn.h"
#include "cpu/cpu.h"

#define DIGITS_OF(number) #number
#define DIGITS(number) DIGITS_OF(number)

const char *attn_version(void)
{
    return DIGITS(ATTN_VERSION_MAJOR) "." DIGITS(ATTN_VERSION_MINOR) "." DIGITS(ATTN_VERSION_PATCH);
}

const char *attn_cpu_name(void)
{
    return cpu_detect()->name;
}

const char *attn_cpu_found(void)
{
    return cpu_level_name(cpu_detect()->found);
}

const char *attn_cpu_used(void)
{
    const cpu_report *cpu = cpu_detect();
    return cpu->requested_is_known ? cpu_level_name(cpu->used) : "none";
}
