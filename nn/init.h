// Initial values, drawn in parallel: element i of a tensor is a pure function of a key that the
// module's stream hands out, so the result does not depend on the number of threads.
#pragma once

#include "core/random.h"
#include "nn/module.h"

namespace mld {

// Each gives the tensor a fresh value on the CPU.
void fill_uniform(Parameter& p, RandomStream& random, double bound);  // U(-bound, bound)
void fill_normal(Parameter& p, RandomStream& random, double std);     // N(0, std^2)
void fill(StateTensor& t, float value);

// PyTorch's default for linear layers and biases: U(-1/sqrt(fan_in), 1/sqrt(fan_in)).
void fill_linear_default(Parameter& p, RandomStream& random, int64_t fan_in);

}  // namespace mld
