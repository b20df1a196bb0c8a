/* All that differs between oneDNN 2.x and 3.x, for onednn_product.c alone. */
#ifndef TENSOR_ONEDNN_SEAM_H
#define TENSOR_ONEDNN_SEAM_H

#include <dnnl.h>

#if DNNL_VERSION_MAJOR >= 3

typedef dnnl_memory_desc_t layout; /* an owned handle */
typedef const_dnnl_memory_desc_t layout_view;

static inline dnnl_status_t layout_create(layout *l, dnnl_data_type_t type, const dnnl_dims_t dims,
                                          const dnnl_dims_t strides)
{
    return dnnl_memory_desc_create_with_strides(l, 2, dims, type, strides);
}

static inline dnnl_status_t layout_any(layout *l, dnnl_data_type_t type, const dnnl_dims_t dims)
{
    return dnnl_memory_desc_create_with_tag(l, 2, dims, type, dnnl_format_tag_any);
}

static inline dnnl_status_t layout_copy(layout *l, layout_view from)
{
    return dnnl_memory_desc_clone(l, from);
}

static inline void layout_destroy(layout *l)
{
    if (*l) dnnl_memory_desc_destroy(*l);
}

static inline layout_view view(const layout *l)
{
    return *l;
}

static inline dnnl_status_t append_sum(dnnl_post_ops_t operations)
{
    return dnnl_post_ops_append_sum(operations, 1.0f, 0, dnnl_data_type_undef);
}

static inline dnnl_status_t describe_matmul(dnnl_primitive_desc_t *out, dnnl_engine_t engine, layout_view a,
                                            layout_view b, layout_view bias, layout_view c,
                                            const_dnnl_primitive_attr_t attributes)
{
    return dnnl_matmul_primitive_desc_create(out, engine, a, b, bias, c, attributes);
}

#else

typedef dnnl_memory_desc_t layout; /* a plain struct */
typedef const dnnl_memory_desc_t *layout_view;

static inline dnnl_status_t layout_create(layout *l, dnnl_data_type_t type, const dnnl_dims_t dims,
                                          const dnnl_dims_t strides)
{
    return dnnl_memory_desc_init_by_strides(l, 2, dims, type, strides);
}

static inline dnnl_status_t layout_any(layout *l, dnnl_data_type_t type, const dnnl_dims_t dims)
{
    return dnnl_memory_desc_init_by_tag(l, 2, dims, type, dnnl_format_tag_any);
}

static inline dnnl_status_t layout_copy(layout *l, layout_view from)
{
    *l = *from;
    return dnnl_success;
}

static inline void layout_destroy(layout *l)
{
    (void)l;
}

static inline layout_view view(const layout *l)
{
    return l;
}

static inline dnnl_status_t append_sum(dnnl_post_ops_t operations)
{
    return dnnl_post_ops_append_sum(operations, 1.0f);
}

static inline dnnl_status_t describe_matmul(dnnl_primitive_desc_t *out, dnnl_engine_t engine, layout_view a,
                                            layout_view b, layout_view bias, layout_view c,
                                            const_dnnl_primitive_attr_t attributes)
{
    dnnl_matmul_desc_t matmul;
    dnnl_status_t s = dnnl_matmul_desc_init(&matmul, a, b, bias, c);
    return s == dnnl_success ? dnnl_primitive_desc_create(out, &matmul, attributes, engine, NULL) : s;
}

#endif

#endif
