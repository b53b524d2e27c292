// The checks the losses share.
#pragma once

#include "autograd/ops/common.h"

namespace mld::ops {

// Logits and targets are float32 [N, K] on one device.
inline void check_loss(const char* op, const Var& logits, const Tensor& targets) {
  check_values(op, "logits", logits.value);
  check_rank(op, "logits", logits.value, "[N, K]");
  require(logits.dtype() == DType::f32, "{}: logits must be float32, got {} (use cast)", op,
          name_of(logits.dtype()));
  require(targets.defined() && targets.dtype() == DType::f32 &&
              targets.shape() == logits.shape() && targets.device() == logits.device(),
          "{}: logits are {} on {}, so targets must be float32 of that shape on that device, got "
          "{} {} on {}", op, logits.shape(), logits.device().str(), name_of(targets.dtype()),
          targets.shape(), targets.device().str());
}

}  // namespace mld::ops
