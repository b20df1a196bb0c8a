/* Whether the weights of a model that was saved and opened are those that it had. */
#ifndef TESTS_COMPARED_PARAMETERS_H
#define TESTS_COMPARED_PARAMETERS_H

#include "tensor/parameters.h"

/* The same names, the same bits. */
void expect_same_parameters(const parameters *saved, const parameters *opened);

/* Saved in int8: matrices come back near, vectors exactly. */
void expect_parameters_of_int8(const parameters *saved, const parameters *opened);

#endif
