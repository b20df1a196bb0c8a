/* What this library says about itself and its CPU. */
#include "attn/attn.h"
#include "cpu/cpu.h"

const char *attn_version(void)
{
    return ATTN_VERSION;
}

const char *attn_cpu_name(void)
{
    return cpu_detect()->brand;
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
