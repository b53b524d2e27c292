// Which elements dropout keeps, a stretch at a time: shared by dropout and attention.
#pragma once

#include "core/specs.h"

namespace mld::cpu {

// factors[j] = 1 / (1 - p) where element begin + j is kept, else 0, for j in [0, count).
// Kept means random_uniform(spec.key, begin + j) >= p.
void keep_factors(const DropoutSpec& spec, int64_t begin, int64_t count, float* factors);

}  // namespace mld::cpu
