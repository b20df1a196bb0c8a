#include "base/cgroup_quota.h"

#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The longest path of a group that is looked at, its mount included. */
#define LONGEST 4096

/* The file's beginning as a string, "" where it cannot be read. Without stdio, which would allocate. */
static void read_text(const char *path, char *text, size_t size)
{
    text[0] = 0;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    ssize_t length = read(file, text, size - 1);
    close(file);
    text[length > 0 ? length : 0] = 0;
}

/* What one cpu.max says, "QUOTA PERIOD" in microseconds or "max PERIOD". */
static int quota_of(const char *path)
{
    char text[64];
    read_text(path, text, sizeof text);
    long quota = 0, period = 0;
    if (sscanf(text, "%ld %ld", &quota, &period) != 2 || quota <= 0 || period <= 0) return 0;
    const long cpus = quota / period + (quota % period != 0);
    return cpus < INT_MAX ? (int)cpus : INT_MAX;
}

/* The process's group from the line "0::PATH", "" where there is none or it lies outside the mount. */
static void find_group(const char *self, char *group, size_t size)
{
    char text[LONGEST];
    read_text(self, text, sizeof text);
    const char *line = text;
    while (*line && strncmp(line, "0::", 3) != 0) {
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    group[0] = 0;
    if (!*line) return;
    line += 3;
    const size_t length = strcspn(line, "\n");
    if (length >= size) return;
    memcpy(group, line, length);
    group[length] = 0;
    if (strstr(group, "/..")) group[0] = 0;
}

int cgroup_quota_cpus(const char *self, const char *mount)
{
    char group[LONGEST], path[2 * LONGEST];
    find_group(self, group, sizeof group);
    for (int least = 0;;) {
        snprintf(path, sizeof path, "%s%s/cpu.max", mount, group);
        const int quota = quota_of(path);
        if (quota && (!least || quota < least)) least = quota;
        char *last = strrchr(group, '/');
        if (!last) return least;
        *last = 0;
    }
}
