/* The binary interface by which array libraries hand each other their memory: DLPack 1, the parts that are used here.
 * Named and laid out as in its specification (https://dmlc.github.io/dlpack/latest/c_api.html). */
#ifndef PYTHON_DLPACK_ABI_H
#define PYTHON_DLPACK_ABI_H

#include <stdint.h>

enum { DLPACK_MAJOR = 1, DLPACK_CPU = 1 };
enum { DLPACK_READ_ONLY = 1, DLPACK_IS_COPIED = 2 };
enum dlpack_code {
    DLPACK_INT = 0,
    DLPACK_UINT = 1,
    DLPACK_FLOAT = 2,
    DLPACK_BFLOAT = 4,
    DLPACK_COMPLEX = 5,
    DLPACK_BOOL = 6
};

typedef struct dlpack_version {
    uint32_t major, minor;
} dlpack_version;

typedef struct dlpack_tensor {
    void *data;
    int32_t device_type, device_id;
    int32_t ndim;
    uint8_t code, bits;
    uint16_t lanes;
    int64_t *shape;
    int64_t *strides; /* in elements; may be NULL, for contiguous, before version 1.2 */
    uint64_t byte_offset;
} dlpack_tensor;

/* In a capsule named "dltensor". */
typedef struct dlpack_managed {
    dlpack_tensor tensor;
    void *context;
    void (*deleter)(struct dlpack_managed *self);
} dlpack_managed;

/* In a capsule named "dltensor_versioned". */
typedef struct dlpack_managed_versioned {
    dlpack_version version;
    void *context;
    void (*deleter)(struct dlpack_managed_versioned *self);
    uint64_t flags;
    dlpack_tensor tensor;
} dlpack_managed_versioned;

/* In a capsule named "dlpack_exchange_api", the attribute __dlpack_c_exchange_api__ of an array's type: the same
 * exchange without Python objects between. Each call returns 0, or -1 with an exception set. */
typedef struct dlpack_exchange {
    dlpack_version version;
    struct dlpack_exchange *previous; /* an older version's, or NULL */
    int (*allocate)(dlpack_tensor *prototype, dlpack_managed_versioned **out, void *error_context,
                    void (*set_error)(void *error_context, const char *kind, const char *message));
    int (*managed_from_object)(void *object, dlpack_managed_versioned **out);
    int (*managed_to_object)(dlpack_managed_versioned *tensor, void **out); /* takes tensor over */
    int (*tensor_from_object)(void *object, dlpack_tensor *out);            /* borrows; may be NULL */
    int (*current_stream)(int32_t device_type, int32_t device_id, void **out);
} dlpack_exchange;

#endif
