#include "core/specs.h"

#include <cmath>
#include <cstring>

namespace mld {

StepRates StepRates::at(int64_t t, float lr, float beta1, float beta2) {
  const double b1 = beta1, b2 = beta2, n = static_cast<double>(t);
  return {.lr = lr,
          .beta1 = beta1,
          .one_minus_beta1 = static_cast<float>(1 - b1),
          .m_correction = static_cast<float>(1 / (1 - std::pow(b1, n))),
          .root_correction = static_cast<float>(1 / std::sqrt(1 - std::pow(b2, n))),
          .corrected_lr = static_cast<float>(lr / (1 - std::pow(b1, n))),
          .first = t == 1 ? 1.0f : 0.0f};
}

Tensor StepRates::tensor() const {
  Tensor rates({kFloats});
  std::memcpy(rates.raw(), this, sizeof *this);
  return rates;
}

}  // namespace mld
