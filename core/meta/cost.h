// What each kernel costs besides moving its tensors. A kernel that is not here has no
// multiply-accumulates and needs no memory of its own worth counting. Parameter lists are the
// contract page's: one that drifts does not compile.
#pragma once

#include "core/cpu/support/conv2d.h"
#include "core/kernels.h"
#include "core/parallel.h"

namespace mld::meta {

// The kernels as types.
namespace kernel {
#define MLD_KERNEL(name, parameters)           \
  struct name {                                \
    static constexpr const char* text = #name; \
  };
#include "core/kernels.inc"
#undef MLD_KERNEL
}  // namespace kernel

struct Cost {
  int64_t macs = 0;
  std::vector<int64_t> floats{};  // of each temporary tensor of the CPU's kernel
  Storage* packs = nullptr;       // a weight that keeps a packed copy, see Note [Packed weights]
};

template <class Kernel>
struct CostOf {
  template <class... Parameters>
  static Cost of(const Parameters&...) {
    return {};
  }
};

// ---- what the CPU's kernels hold while they run -------------------------------------------------

// bfloat16 operands are widened for the duration of the call.
template <class... Tensors>
std::vector<int64_t> widened(const Tensors&... tensors) {
  std::vector<int64_t> floats;
  for (const Tensor* x : {&tensors...}) {
    if (x->defined() && x->dtype() == DType::bf16) {
      floats.push_back(x->numel());
    }
  }
  return floats;
}

// Adds copies in another layout, unfolded windows, each thread's sum of a weight's gradient.
inline Cost conv2d_cost(cpu::ConvDirection direction, const Tensor& x, const Tensor& w,
                        const Tensor& y, const Conv2dSpec& spec) {
  Cost cost{y.numel() * w.shape().row(), widened(x, w, y)};
  const bool weight = direction == cpu::ConvDirection::backward_weight;
  switch (cpu::choose_algorithm(direction, {x.shape(), w.shape(), y.shape(), spec})) {
    case cpu::ConvAlgorithm::gemm: break;
    case cpu::ConvAlgorithm::depthwise: cost.floats.push_back(weight ? 0 : w.numel()); break;
    case cpu::ConvAlgorithm::unfolded:
      cost.floats.push_back(y.numel() / y.shape()[3] * w.shape().row());
      break;
    case cpu::ConvAlgorithm::blocked:
      cost.floats.insert(cost.floats.end(), {x.numel(), y.numel()});
      [[fallthrough]];
    case cpu::ConvAlgorithm::nhwc:
      if (w.storage()->constant && w.dtype() == DType::f32) {
        cost.packs = w.storage();
      } else {
        cost.floats.insert(cost.floats.end(),
                           {w.numel(), weight ? w.numel() * (compute_threads() - 1) : 0});
      }
  }
  return cost;
}

// ---- products -----------------------------------------------------------------------------------

template <>
struct CostOf<kernel::conv2d_forward> {
  static Cost of(const Tensor& x, const Tensor& w, const Tensor&, const Tensor& residual,
                 const Conv2dSpec& spec, Tensor& y) {
    Cost cost = conv2d_cost(cpu::ConvDirection::forward, x, w, y, spec);
    if (residual.defined() && residual.dtype() == DType::bf16) {
      cost.floats.push_back(residual.numel());
    }
    return cost;
  }
};

template <>
struct CostOf<kernel::conv2d_backward_data> {
  static Cost of(const Tensor& dy, const Tensor& w, const Conv2dSpec& spec, Tensor& dx) {
    return conv2d_cost(cpu::ConvDirection::backward_data, dx, w, dy, spec);
  }
};

template <>
struct CostOf<kernel::conv2d_backward_weight> {
  static Cost of(const Tensor& dy, const Tensor& x, const Conv2dSpec& spec, Tensor& dw) {
    return conv2d_cost(cpu::ConvDirection::backward_weight, x, dw, dy, spec);
  }
};

template <>
struct CostOf<kernel::linear_forward> {
  static Cost of(const Tensor& x, const Tensor& w, const Tensor&, const LinearSpec&, Tensor& y) {
    return {x.numel() * w.shape()[0], widened(x, w, y)};
  }
};

template <>
struct CostOf<kernel::linear_backward_data> {
  static Cost of(const Tensor& dy, const Tensor& w, Tensor& dx) {
    return {dx.numel() * w.shape()[0], widened(dy, w, dx)};
  }
};

template <>
struct CostOf<kernel::linear_backward_weight> {
  static Cost of(const Tensor& dy, const Tensor& x, Tensor& dw) {
    return {x.numel() * dw.shape()[0], widened(dy, x, dw)};
  }
};

template <>
struct CostOf<kernel::matmul> {
  static Cost of(const Tensor& a, const Tensor& b, const MatmulSpec& spec, Tensor& y) {
    return {y.numel() * a.shape()[spec.transpose_a ? 1 : 2], widened(a, b, y)};
  }
};

template <>
struct CostOf<kernel::group_linear_forward> {
  static Cost of(const Tensor& h, const Tensor& w, const Tensor&, Tensor&) {
    return {h.shape()[0] * w.numel()};
  }
};

template <>
struct CostOf<kernel::group_linear_backward> {
  static Cost of(const Tensor& dy, const Tensor& h, const Tensor& w, Tensor&, Tensor&) {
    return {2 * h.shape()[0] * w.numel(), {dy.numel()}};
  }
};

// ---- attention: N Q L D for each of its products ------------------------------------------------

template <>
struct CostOf<kernel::attention_forward> {
  static Cost of(const Tensor& q, const Tensor& k, const Tensor&, const AttentionSpec&, Tensor&,
                 Tensor&) {
    return {2 * q.shape()[1] * k.numel()};
  }
};

// The scores once more, then the gradients of probabilities, values, keys and queries.
template <>
struct CostOf<kernel::attention_backward> {
  static Cost of(const Tensor&, const Tensor& q, const Tensor& k, const Tensor&, const Tensor& y,
                 const Tensor&, const AttentionSpec&, Tensor&, Tensor&, Tensor&) {
    const bool direct = q.dtype() == DType::f32 && q.shape() == y.shape();
    return {5 * q.shape()[1] * k.numel(), {direct ? 0 : y.numel()}};
  }
};

// ---- movement -----------------------------------------------------------------------------------

template <>
struct CostOf<kernel::copy> {
  static Cost of(const Tensor& x, Tensor& y) {
    require(y.device().is_meta(), "meta: a tensor of shape {} has no values to copy to {}",
            x.shape(), y.device().str());
    return {};
  }
};

}  // namespace mld::meta
