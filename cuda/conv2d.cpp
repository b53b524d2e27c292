// Convolution through cuDNN, plans cached by shape; plain loops where it has no engine.
#include <cstdio>
#include <optional>
#include <unordered_map>

#include "core/kernels.h"
#include "cuda/conv2d_direct.cuh"
#include "cuda/cudnn.h"
#include "cuda/epilogue.cuh"
#include "cuda/runtime.h"

namespace mld::cuda {
namespace {

ConvGraph graph_of(ConvDirection direction, const Shape& x, const Shape& w, const Shape& y,
                   const Conv2dSpec& spec, DType dtype) {
  return {.direction = direction, .x = x, .w = w, .y = y, .stride = spec.stride, .pad = spec.pad,
          .dilation = spec.dilation, .dtype = dtype};
}

// The plan for a graph, or nullptr if cuDNN has none.
const ConvPlan* plan_of(const ConvGraph& graph) {
  static auto* plans = new std::unordered_map<std::string, std::optional<ConvPlan>>;
  const auto [found, inserted] = plans->try_emplace(graph.key());
  if (inserted) {
    try {
      found->second.emplace(graph, PlanRules{});
    } catch (const NoEngine& error) {
      std::fprintf(stderr, "warning: %s; plain loops take its place, slowly\n", error.what());
    } catch (...) {
      plans->erase(found);
      throw;
    }
  }
  return found->second ? &*found->second : nullptr;
}

void run(const ConvPlan& plan, const Tensor& x, const Tensor& w, const Tensor& y,
         const Tensor& bias = {}, const Tensor& residual = {}) {
  const Tensor workspace({plan.workspace()}, DType::u8, current_device());
  plan.run(x.raw(), w.raw(), y.raw(), bias.raw(), residual.raw(), workspace.raw());
}

// bfloat16 with ReLU or nothing behind it: one precompiled kernel. False if there is none.
bool run_fused(ConvGraph graph, const Tensor& x, const Tensor& w, const Tensor& bias,
               const Tensor& residual, const ActivationSpec& act, Tensor& y) {
  const bool possible = x.dtype() == DType::bf16 && bias.defined() && act.kind == Act::relu;
  graph.bias = graph.relu = true;
  graph.residual = residual.defined();
  const ConvPlan* plan = possible ? plan_of(graph) : nullptr;
  if (plan == nullptr) {
    return false;
  }
  Tensor offset(bias.shape(), DType::bf16, y.device());
  cast(bias, offset);
  run(*plan, x, w, y, offset, residual);
  return true;
}

}  // namespace

void conv2d_forward(const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& residual,
                    const Conv2dSpec& spec, Tensor& y) {
  const ConvGraph graph = graph_of(ConvDirection::forward, x.shape(), w.shape(), y.shape(), spec,
                                   x.dtype());
  if (run_fused(graph, x, w, bias, residual, spec.act, y)) {
    return;
  }
  if (const ConvPlan* plan = plan_of(graph)) {
    run(*plan, x, w, y);
  } else {
    direct_forward(x, w, spec, y);
  }
  if (bias.defined() || residual.defined() || spec.act.kind != Act::identity) {
    epilogue(bias, residual, spec.act, y);
  }
}

void conv2d_backward_data(const Tensor& dy, const Tensor& w, const Conv2dSpec& spec, Tensor& dx) {
  if (const ConvPlan* plan = plan_of(graph_of(ConvDirection::backward_data, dx.shape(), w.shape(),
                                              dy.shape(), spec, dy.dtype()))) {
    run(*plan, dx, w, dy);
  } else {
    direct_backward_data(dy, w, spec, dx);
  }
}

void conv2d_backward_weight(const Tensor& dy, const Tensor& x, const Conv2dSpec& spec, Tensor& dw) {
  if (const ConvPlan* plan = plan_of(graph_of(ConvDirection::backward_weight, x.shape(), dw.shape(),
                                              dy.shape(), spec, dy.dtype()))) {
    run(*plan, x, dw, dy);
  } else {
    direct_backward_weight(dy, x, spec, dw);
  }
}

}  // namespace mld::cuda
