/* How much CPU time the process's cgroup leaves it. A group's quota binds the groups within it too: a service or a
 * container stands some levels below the mount, and each level above it may have one. */
#ifndef BASE_CGROUP_QUOTA_H
#define BASE_CGROUP_QUOTA_H

/* The least quota of these levels in whole CPUs, rounded up; 0 when there is none. Of cgroup v2 alone: `self` names its
 * list of the process's groups (/proc/self/cgroup), `mount` where the groups are (/sys/fs/cgroup). Allocates nothing.
 */
int cgroup_quota_cpus(const char *self, const char *mount);

#endif
